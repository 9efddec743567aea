/** The golden vectors in engines that are not Node: Chromium and Firefox, both decoders in each. Node's are in `compress/format.test.ts`. */

import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import * as esbuild from 'esbuild'
import { VECTORS } from '../compress/vectors/vectors.ts'
import { findChromium, launchChromium } from '../sdk/cli/chromium.ts'
import { type Served, STRICT_CSP, serve } from '../sdk/cli/static-server.ts'
import { BUNDLE } from './bundle.ts'
import { findFirefox, openInFirefox } from './firefox.ts'
import type { EngineReport } from './pages/vectors.ts'

const PAGE = fileURLToPath(new URL('pages/vectors.js', import.meta.url))
const EXPECTED = Object.fromEntries(VECTORS.map(({ name, sha256 }) => [name, sha256]))

const chromium = findChromium()
const firefox = findFirefox()
let folder = ''

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hardpack-vectors-'))
  await esbuild.build({ ...BUNDLE, entryPoints: [PAGE], outdir: folder })
  await writeFile(join(folder, 'index.html'), '<!doctype html><script type="module" src="vectors.js"></script>')
})

after(() => rm(folder, { recursive: true, force: true }))

interface Opened {
  /** Rejects when the browser cannot go on. */
  readonly ended: Promise<never>
  close(): Promise<void>
}

/** Opens the page and gives what it posts. */
async function reportOf(open: (url: string) => Promise<Opened>): Promise<{ report: EngineReport; served: Served }> {
  let posted = (_: string): void => {}
  const body = new Promise<string>((resolve) => {
    posted = resolve
  })
  const served = await serve({ root: folder, csp: STRICT_CSP, onPost: (_, text) => posted(text) })
  try {
    const browser = await open(served.url)
    try {
      return { report: JSON.parse(await Promise.race([body, browser.ended])), served }
    } finally {
      await browser.close()
    }
  } finally {
    await served.close()
  }
}

async function openInChromium(url: string): Promise<Opened> {
  const browser = await launchChromium('path' in chromium ? chromium.path : '')
  const page = await browser.newPage()
  const ended = new Promise<never>((_, reject) => page.once('pageerror', reject))
  await page.goto(url)
  return { ended, close: () => browser.close() }
}

const ENGINES = [
  { name: 'Chromium', found: chromium, agent: /Chrome\//, open: openInChromium },
  {
    name: 'Firefox',
    found: firefox,
    agent: /Gecko\/.*Firefox\//,
    open: (url: string) => openInFirefox('path' in firefox ? firefox.path : '', url),
  },
]

for (const { name, found, agent, open } of ENGINES) {
  const skip = 'reason' in found && found.reason
  test(`${name} decodes every golden vector, with both decoders`, { skip, timeout: 120_000 }, async (t) => {
    const { report, served } = await reportOf(open)
    assert.ok('digests' in report, 'error' in report ? report.error : '')
    assert.match(report.engine, agent)
    assert.deepEqual(report.digests, { typescript: EXPECTED, wasm: EXPECTED })
    assert.deepEqual(served.violations, [])
    t.diagnostic(report.engine)
  })
}
