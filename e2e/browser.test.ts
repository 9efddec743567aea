/** What an app gets: the README's example runs, its bundle is small and holds nothing of pack time, and weights are the same. */

import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import * as esbuild from 'esbuild'
import type { Browser } from 'playwright-core'
import { hardpack } from '../sdk/bundler/esbuild.ts'
import { findChromium, launchChromium, openPage, STRICT_CSP, serve } from '../sdk/cli/chromium.ts'
import { pack } from '../sdk/pack/index.ts'
import { digests } from './pages/weights.ts'

const chromium = findChromium()
const skip = 'reason' in chromium ? chromium.reason : false
const here = fileURLToPath(new URL('.', import.meta.url))
const repository = fileURLToPath(new URL('../..', import.meta.url))
const MODELS = ['mnist-cnn', 'mnist-cnn-int8']

let folder = ''
let example = ''
let browser: Browser | undefined
const packages = new Map<string, Uint8Array>()

before(async () => {
  // Inside the package, so that 'hardpack' means this package and its exports.
  folder = await mkdtemp(join(here, 'browser-'))
  const readme = await readFile(join(repository, 'README.md'), 'utf8')
  example = /```js\n([\s\S]*?)```/.exec(readme)?.[1] ?? ''
  await writeFile(join(folder, 'app.js'), example)
  for (const name of MODELS) {
    const { bytes } = await pack(await readFile(join(repository, 'e2e', 'models', `${name}.onnx`)), { name })
    packages.set(name, bytes)
  }
  if (!('reason' in chromium)) browser = await launchChromium(chromium.path)
})

after(async () => {
  await browser?.close()
  await rm(folder, { recursive: true, force: true })
})

const options = (entry: string, plugins: esbuild.Plugin[] = []) =>
  ({
    entryPoints: [entry],
    bundle: true,
    minify: true,
    format: 'esm',
    target: 'es2022',
    logLevel: 'silent',
    metafile: true,
    plugins,
  }) as const

test("the README's browser example has at most ten lines", () => {
  const lines = example.trim().split('\n').length
  assert.ok(lines > 1 && lines <= 10, `${lines} lines`)
})

test("the README's browser example runs under the strict policy", { skip, timeout: 180_000 }, async () => {
  const out = join(folder, 'out')
  await mkdir(out)
  await esbuild.build({
    ...options(join(folder, 'app.js'), [hardpack()]),
    entryPoints: [join(folder, 'app.js')],
    outdir: out,
  })
  await writeFile(join(out, 'index.html'), '<!doctype html><body></body><script type="module" src="app.js"></script>')
  await writeFile(join(out, 'mnist-cnn.hpk'), packages.get('mnist-cnn') as Uint8Array)
  const served = await serve({ root: out, csp: STRICT_CSP })
  const { page, messages } = await openPage(browser as Browser, served.url)
  await page
    .waitForFunction(() => document.body.textContent?.includes('logits'), undefined, { timeout: 120_000 })
    .catch(() => {})
  const text = (await page.textContent('body')) ?? ''
  await served.close()
  assert.match(text, /^10 logits from (webgpu|wasm) \(\w+\)/, messages.join('\n'))
  assert.deepEqual(served.violations, [])
})

test('packed in Node, decoded in Chromium: the same weights, with both decoders', {
  skip,
  timeout: 60_000,
}, async () => {
  const out = join(folder, 'weights')
  await esbuild.build({ ...options(''), entryPoints: [join(here, 'pages', 'weights.js')], outdir: out })
  await writeFile(join(out, 'index.html'), '<!doctype html><script type="module" src="weights.js"></script>')
  for (const [name, bytes] of packages) await writeFile(join(out, `${name}.hpk`), bytes)
  const served = await serve({ root: out, csp: STRICT_CSP })
  const { call } = await openPage(browser as Browser, served.url)
  for (const [name, bytes] of packages) {
    const inChromium = await call<Record<string, [string, string]>>(`digestsOf(${JSON.stringify(`${name}.hpk`)})`)
    assert.deepEqual(Object.keys(inChromium), ['typescript', 'wasm'])
    assert.deepEqual(inChromium, await digests(bytes))
    const onnx = await readFile(join(repository, 'e2e', 'models', `${name}.onnx`))
    assert.equal(inChromium.wasm[1], createHash('sha256').update(onnx).digest('hex'))
  }
  await served.close()
  assert.deepEqual(served.violations, [])
})

test('the browser entry holds no pack-time module, and our own code is at most 40 kB gzipped', async (t) => {
  const outdir = join(folder, 'size')
  const app = await esbuild.build({
    ...options(''),
    entryPoints: [join(folder, 'app.js')],
    outdir,
    write: false,
    plugins: [hardpack()],
  })
  const inputs = Object.keys(app.metafile?.inputs ?? {})
  const packTime = inputs.filter((path) =>
    /sdk\/(pack|onnx|cli|bundler)\/|protobufjs|onnxruntime|encode|learn|targets\/(node|wasm-node)/.test(path),
  )
  assert.deepEqual(packTime, [])
  assert.ok(inputs.some((path) => path.endsWith('sdk/open/open.js')))
  const worker = await esbuild.build({
    ...options(''),
    entryPoints: [join(here, '..', 'targets', 'browser', 'worker.js')],
    outdir,
    write: false,
    external: ['onnxruntime-web/*'],
  })
  const sizes = [app, worker].map(({ outputFiles }) => {
    const script = outputFiles?.find(({ path }) => /(app|worker)\.js$/.test(path))
    return gzipSync(script?.contents ?? '', { level: 9 }).length
  })
  t.diagnostic(`own code, gzipped: app ${sizes[0]} bytes, worker without ONNX Runtime ${sizes[1]} bytes`)
  assert.ok(sizes.every((size) => size > 0))
  assert.ok(sizes[0] + sizes[1] <= 40_000, `${sizes[0]} + ${sizes[1]} bytes`)
})
