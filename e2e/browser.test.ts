/** What an app gets: the README's example runs, its bundle is small and holds nothing of pack time, and weights are the same. */

import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import * as esbuild from 'esbuild'
import type { Browser } from 'playwright-core'
import { nodeWorkers } from '../compress/pool/node.ts'
import { hardpack } from '../sdk/bundler/esbuild.ts'
import { findChromium, launchChromium, openPage } from '../sdk/cli/chromium.ts'
import { STRICT_CSP, serve } from '../sdk/cli/static-server.ts'
import { pack } from '../sdk/pack/index.ts'
import { BUNDLE, bundleSizes, exampleFolder, readmeExample } from './bundle.ts'
import { type Digests, digests } from './pages/weights.ts'

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
  folder = await exampleFolder()
  example = await readmeExample()
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

test("the README's browser example has at most ten lines", () => {
  const lines = example.trim().split('\n').length
  assert.ok(lines > 1 && lines <= 10, `${lines} lines`)
})

test("the README's browser example runs under the strict policy", { skip, timeout: 180_000 }, async (t) => {
  const out = join(folder, 'out')
  await mkdir(out)
  await esbuild.build({
    ...BUNDLE,
    entryPoints: [join(folder, 'app.js')],
    outdir: out,
    plugins: [hardpack()],
  })
  await writeFile(join(out, 'index.html'), '<!doctype html><body></body><script type="module" src="app.js"></script>')
  await writeFile(join(out, 'mnist-cnn.hpk'), packages.get('mnist-cnn') as Uint8Array)
  const served = await serve({ root: out, csp: STRICT_CSP })
  t.after(() => served.close()) // A server that stays keeps this process alive.
  const { page, messages } = await openPage(browser as Browser, served.url)
  await page
    .waitForFunction(() => document.body.textContent?.includes('logits'), undefined, { timeout: 120_000 })
    .catch(() => {})
  const text = (await page.textContent('body')) ?? ''
  assert.match(text, /^10 logits from (webgpu|wasm) \(\w+\)/, messages.join('\n'))
  assert.deepEqual(served.violations, [])
})

test('packed in Node, decoded in Chromium: the same weights from every decoder, with workers and where they cannot start', {
  skip,
  timeout: 120_000,
}, async (t) => {
  const out = join(folder, 'weights')
  const entryPoints = [join(here, 'pages', 'weights.js')]
  await esbuild.build({ ...BUNDLE, entryPoints, outdir: out, plugins: [hardpack()] })
  await writeFile(join(out, 'index.html'), '<!doctype html><script type="module" src="weights.js"></script>')
  for (const [name, bytes] of packages) await writeFile(join(out, `${name}.hpk`), bytes)
  const places = [
    { csp: STRICT_CSP, pool: /^wasm, [12] threads?$/ },
    { csp: STRICT_CSP.replace("worker-src 'self'", "worker-src 'none'"), pool: /^wasm$/ },
    { csp: STRICT_CSP, pool: /^wasm$/, without: /^decode-/ },
  ]
  for (const { csp, pool, without } of places) {
    if (without) {
      const files = await readdir(join(out, 'hardpack'))
      for (const file of files.filter((file) => without.test(file))) await rm(join(out, 'hardpack', file))
    }
    const served = await serve({ root: out, csp })
    t.after(() => served.close()) // A server that stays keeps this process alive.
    const { call, messages } = await openPage(browser as Browser, served.url)
    for (const [name, bytes] of packages) {
      const inChromium = await call<Digests>(`digestsOf(${JSON.stringify(`${name}.hpk`)})`)
      const inNode = await digests(bytes, nodeWorkers)
      assert.match(inChromium.pool.decoder, pool, messages.join('\n'))
      assert.match(inNode.pool.decoder, /^wasm, [12] threads?$/)
      const onnx = await readFile(join(repository, 'e2e', 'models', `${name}.onnx`))
      for (const all of [inChromium, inNode]) {
        assert.deepEqual([all.typescript.decoder, all.wasm.decoder], ['typescript', 'wasm'])
        for (const { weights, file } of Object.values(all)) {
          assert.equal(weights, inNode.typescript.weights)
          assert.equal(file, createHash('sha256').update(onnx).digest('hex'))
        }
      }
    }
    assert.equal(served.violations.length > 0, csp !== STRICT_CSP)
  }
})

test('the browser entry holds no pack-time module, and our own code is at most 47 kB gzipped, without what only a guard or threads need', async (t) => {
  const { inputs, app, worker, guard, threads, decoder } = await bundleSizes()
  const packTime =
    /sdk\/(pack|onnx|cli|bundler|guard)\/|protobufjs|fflate|onnxruntime|ml-matrix|pngjs|jpeg-js|d3-|encode|compress\/.*learn|\/fit\.|\/train\.|head\.js|targets\/(node|wasm-node)|node:/
  assert.deepEqual(
    inputs.filter((path) => packTime.test(path)),
    [],
  )
  assert.ok(inputs.some((path) => path.endsWith('sdk/open/open.js')))
  t.diagnostic(
    `own code, gzipped: app ${app} bytes, worker without ONNX Runtime ${worker} bytes; guard ${guard} bytes; threads ${threads} bytes, decoding worker ${decoder} bytes`,
  )
  assert.ok(app + worker <= 47_000, `${app} + ${worker} bytes`)
  assert.ok(guard <= 14_000, `${guard} bytes`)
  assert.ok(decoder <= 20_000, `${decoder} bytes`)
})
