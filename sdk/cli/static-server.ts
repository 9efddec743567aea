/** A directory served on 127.0.0.1 with the headers in question: pages for `hardpack parity`, `hardpack doctor` and the tests. */

import { readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { extname, join, normalize, sep } from 'node:path'

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript',
  '.mjs': 'text/javascript',
  '.json': 'application/json',
  '.wasm': 'application/wasm',
}

/** Files whose names hold a hash of their contents. */
const HASHED = /-[0-9a-f]{8}\.\w+$/

/** What the README promises to work under: no `unsafe-eval`, no `blob:`, nothing from another origin. */
export const STRICT_CSP = "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'"

/** Makes a page cross-origin isolated, which threads need. */
export const ISOLATION: Readonly<Record<string, string>> = {
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-embedder-policy': 'require-corp',
}

/** Where violations of the policy are reported to, from pages and from workers alike. */
const REPORT_PATH = '/csp-report'

export interface ServeOptions {
  /** Directory to serve. */
  root: string
  /** A Content-Security-Policy; violations are collected. */
  csp?: string
  /** Further headers, for all files or by path. */
  headers?: Readonly<Record<string, string>> | ((path: string) => Readonly<Record<string, string>>)
  /** What pages post, other than violations. */
  onPost?: (path: string, body: string) => void
}

export interface Served {
  readonly url: string
  /** What the browser reported against the policy, one JSON document each. */
  readonly violations: readonly string[]
  /** Paths that were asked for, in order. */
  readonly requests: readonly string[]
  close(): Promise<void>
}

/** The path of a request; `undefined` where it is no URL, or its escapes are no text. */
function pathOf(url = '/'): string | undefined {
  try {
    return decodeURIComponent(new URL(`http://localhost${url}`).pathname)
  } catch {
    return undefined
  }
}

/** Serves a directory on a free port of 127.0.0.1. */
export async function serve({ root, csp, headers = {}, onPost }: ServeOptions): Promise<Served> {
  const violations: string[] = []
  const requests: string[] = []
  const server = createServer(async (request, response) => {
    const path = pathOf(request.url)
    if (path === undefined) {
      response.writeHead(400).end()
      return
    }
    if (request.method === 'POST' && (onPost || path === REPORT_PATH)) {
      let body = ''
      for await (const part of request) body += part
      if (path === REPORT_PATH) violations.push(body)
      else onPost?.(path, body)
      response.writeHead(204).end()
      return
    }
    if (path === '/favicon.ico') {
      response.writeHead(204).end()
      return
    }
    requests.push(path)
    const file = normalize(join(root, path.endsWith('/') ? `${path}index.html` : path))
    const contents = file.startsWith(normalize(root) + sep) ? await readFile(file).catch(() => undefined) : undefined
    if (!contents) {
      response.writeHead(404).end()
      return
    }
    response.writeHead(200, {
      'content-type': TYPES[extname(file)] ?? 'application/octet-stream',
      'cache-control': HASHED.test(path) ? 'max-age=31536000, immutable' : 'no-cache',
      ...(csp ? { 'content-security-policy': `${csp}; report-uri ${REPORT_PATH}` } : {}),
      ...(typeof headers === 'function' ? headers(path) : headers),
    })
    response.end(contents)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}/`,
    violations,
    requests,
    close: () =>
      new Promise((resolve) => {
        server.closeAllConnections()
        server.close(() => resolve())
      }),
  }
}
