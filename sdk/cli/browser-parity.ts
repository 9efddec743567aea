/** The browser half of `hardpack parity`: bundles one page, serves it on 127.0.0.1, and asks headless Chromium. */

import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type CallOptions, messageOf, throwIfAborted } from '../core/index.ts'
import type { TargetParity } from '../open/parity.ts'
import type { BrowserTarget } from './parity-page.ts'
import { STRICT_CSP, serve } from './static-server.ts'

const BROWSER_TARGETS: readonly BrowserTarget[] = ['wasm', 'webgpu']

const PAGE =
  '<!doctype html><meta charset="utf-8"><title>hardpack parity</title><script type="module" src="parity-page.js"></script>'

/** Packages that the page fetches. */
export interface ServedModel {
  readonly file: Uint8Array
  readonly base?: Uint8Array
}

/**
 * Measures browser targets in Chromium. Whatever is missing (a browser, an optional peer) becomes the reason in a row,
 * never an error; only an abort is.
 *
 * @param model the package, and its base; without one the targets are only probed
 */
export async function inChromium(
  model: ServedModel | undefined,
  { signal, onProgress }: CallOptions,
  targets: readonly BrowserTarget[] = BROWSER_TARGETS,
): Promise<TargetParity[]> {
  const rows: TargetParity[] = []
  const stage = 'ask Chromium'
  const folder = await mkdtemp(join(tmpdir(), 'hardpack-'))
  const closers: (() => Promise<unknown>)[] = [() => rm(folder, { recursive: true, force: true })]
  try {
    onProgress?.({ stage, done: 0, total: targets.length + 1 })
    const [{ findChromium, launchChromium, openPage }, { build }, { hardpack }] = await Promise.all([
      import('./chromium.ts'),
      import('esbuild'),
      import('../bundler/esbuild.ts'),
    ])
    const chromium = findChromium()
    if ('reason' in chromium) throw new Error(chromium.reason)
    const entry = fileURLToPath(new URL('parity-page.js', import.meta.url))
    await build({
      entryPoints: [entry],
      outdir: folder,
      bundle: true,
      format: 'esm',
      minify: true,
      logLevel: 'silent',
      plugins: [hardpack()],
    })
    await writeFile(join(folder, 'index.html'), PAGE)
    if (model) await writeFile(join(folder, 'model.hpk'), model.file)
    if (model?.base) await writeFile(join(folder, 'base.hpk'), model.base)
    const served = await serve({ root: folder, csp: STRICT_CSP })
    closers.unshift(() => served.close())
    const browser = await launchChromium(chromium.path)
    const close = () => browser.close()
    closers.unshift(close)
    signal?.addEventListener('abort', close, { once: true })
    closers.unshift(async () => signal?.removeEventListener('abort', close))
    const { call } = await openPage(browser, served.url)
    for (const [index, target] of targets.entries()) {
      throwIfAborted(signal)
      onProgress?.({ stage, done: index + 1, total: targets.length + 1 })
      const urls = [...(model ? ['model.hpk'] : []), ...(model?.base ? ['base.hpk'] : [])]
      const given = [target, ...urls].map((text) => JSON.stringify(text)).join(', ')
      rows.push(await call<TargetParity>(`hardpackParity.measure(${given})`))
    }
  } catch (error) {
    throwIfAborted(signal)
    const reason = messageOf(error)
    for (const target of targets.slice(rows.length)) {
      rows.push({ target, available: false, reason, maxAbsDiff: null, withinTolerance: false, latencyMs: null })
    }
  } finally {
    for (const close of closers) await close().catch(() => {}) // What is left must be closed too.
    onProgress?.({ stage, done: targets.length + 1, total: targets.length + 1 })
  }
  return rows
}
