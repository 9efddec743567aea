/** The chain on every target there is: in Node, and in a page of headless Chromium that opens the packages itself. */

import { copyFile, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { hardpack } from '../../../sdk/bundler/esbuild.ts'
import { findChromium, launchChromium, openPage } from '../../../sdk/cli/chromium.ts'
import { STRICT_CSP, serve } from '../../../sdk/cli/static-server.ts'
import { open } from '../../../sdk/node.ts'
import { node } from '../../../targets/node.ts'
import type { PagePhoto, PageTarget } from '../../pages/antispoof.ts'
import { type Look, timedLook } from './chain.ts'
import type { Photo } from './photos.ts'

export interface Packages {
  readonly detector: Uint8Array
  readonly classifier: Uint8Array
}

export interface PhotoLook {
  readonly file: string
  readonly look: Look
  readonly ms: number
}

/** What one target made of all photos. */
export interface Run {
  /** Such as `Chromium webgpu`. */
  readonly where: string
  readonly device?: string
  /** In the order of the photos. */
  readonly looks: readonly PhotoLook[]
}

export async function runInNode({ detector, classifier }: Packages, photos: readonly Photo[]): Promise<Run> {
  const options = { targets: [node({ threads: 1 })], trust: 'unsigned' } as const
  const chain = { detector: await open(detector, options), classifier: await open(classifier, options) }
  try {
    const looks: PhotoLook[] = []
    for (const { file, pixels } of photos) looks.push({ file, ...(await timedLook(chain, pixels)) })
    return { where: 'Node', device: chain.classifier.report().device, looks }
  } finally {
    await chain.detector.close()
    await chain.classifier.close()
  }
}

export interface ChromiumRuns {
  readonly runs: readonly Run[]
  /** Targets that were left out, with the reason. */
  readonly skipped: readonly string[]
}

/** On WebAssembly and WebGPU, with pixels as Node decoded them; and on WebAssembly once more, as Chromium decodes the files. */
export async function runInChromium(packages: Packages, photos: readonly Photo[]): Promise<ChromiumRuns> {
  const chromium = findChromium()
  if ('reason' in chromium) return { runs: [], skipped: [`Chromium: ${chromium.reason}`] }
  const folder = await mkdtemp(join(tmpdir(), 'hardpack-'))
  const closers: (() => Promise<unknown>)[] = [() => rm(folder, { recursive: true, force: true })]
  try {
    const shown = await site(folder, packages, photos)
    const served = await serve({ root: folder, csp: STRICT_CSP })
    closers.unshift(() => served.close())
    const browser = await launchChromium(chromium.path)
    closers.unshift(() => browser.close())
    const { call } = await openPage(browser, served.url)
    const runs: Run[] = []
    const skipped: string[] = []
    const ways: readonly (readonly [PageTarget, boolean])[] = [
      ['wasm', false],
      ['webgpu', false],
      ['wasm', true],
    ]
    for (const [target, own] of ways) {
      const where = `Chromium ${target}${own ? ', own JPEG' : ''}`
      const reason = await call<string | null>(`antispoof.reason('${target}')`)
      if (reason !== null) {
        skipped.push(`${where}: ${reason}`)
        continue
      }
      const device = await call<string>(`antispoof.open('${target}', 'detector.hpk', 'classifier.hpk')`)
      const looks: PhotoLook[] = []
      for (const [i, { file }] of photos.entries()) {
        const told = await call<string>(`antispoof.look(${JSON.stringify(shown[i])}, ${own})`)
        looks.push({ file, ...revived(told) })
      }
      await call('antispoof.close()')
      runs.push({ where, device, looks })
    }
    if (served.violations.length > 0) throw new Error(`violations of the policy: ${served.violations.join('\n')}`)
    return { runs, skipped }
  } finally {
    for (const close of closers) await close()
  }
}

/** JSON has no NaN: it comes as null. */
function revived(text: string): { look: Look; ms: number } {
  const { look, ms } = JSON.parse(text)
  return { look: { ...look, real: look.real ?? Number.NaN, p: look.p ?? Number.NaN }, ms }
}

/** Puts page, packages and photos where Chromium can fetch them. */
async function site(folder: string, packages: Packages, photos: readonly Photo[]): Promise<PagePhoto[]> {
  await build({
    entryPoints: [fileURLToPath(new URL('../../pages/antispoof.js', import.meta.url))],
    outdir: folder,
    bundle: true,
    format: 'esm',
    logLevel: 'silent',
    plugins: [hardpack()],
  })
  const page = '<!doctype html><meta charset="utf-8"><script type="module" src="antispoof.js"></script>'
  await writeFile(join(folder, 'index.html'), page)
  for (const [name, bytes] of Object.entries(packages)) await writeFile(join(folder, `${name}.hpk`), bytes)
  return Promise.all(
    photos.map(async ({ file, path, pixels }) => {
      await copyFile(path, join(folder, file))
      await writeFile(join(folder, `${file}.rgb`), pixels.data)
      return { file, pixels: `${file}.rgb`, width: pixels.width, height: pixels.height }
    }),
  )
}
