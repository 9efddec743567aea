/** A guard is the same everywhere: one package, the same inputs, in Node and in Chromium. */

import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import type { Browser } from 'playwright-core'
import { hardpack } from '../sdk/bundler/esbuild.ts'
import { findChromium, launchChromium, type OpenPage, openPage } from '../sdk/cli/chromium.ts'
import { chromiumTargets } from '../sdk/cli/chromium-target.ts'
import { type Served, STRICT_CSP, serve } from '../sdk/cli/static-server.ts'
import { rng } from '../sdk/core/index.ts'
import { open } from '../sdk/node.ts'
import { pack } from '../sdk/pack/index.ts'
import { node } from '../targets/node.ts'
import { wasm } from '../targets/wasm-node.ts'
import { readDigits } from './models/digits.ts'
import { type PageRun, type PageTarget, verdictsOf } from './pages/guard.ts'

const chromium = findChromium()
const skip = 'reason' in chromium ? chromium.reason : false

const SHAPE = [1, 28, 28]
const PIXELS = 28 * 28
const FITTED = 600
const CALIBRATED = 400
/** The part of the calibration samples that the p-value of the whole counts. */
const COUNTED = CALIBRATED / 2
const JUDGED = 30

let folder: string
let bytes: Uint8Array
let served: Served
let browser: Browser
let page: OpenPage
/** What runs WebGPU in Chromium: a software adapter takes too long for a calibration of its own. */
let adapter: 'none' | 'software' | 'hardware' = 'none'

function digits(offset: number, count: number) {
  const { images, labels } = readDigits(count, offset)
  return {
    count,
    labels: Int32Array.from(labels),
    batch: async (indices: readonly number[]) => {
      const data = new Float32Array(indices.length * PIXELS)
      for (const [row, i] of indices.entries()) data.set(images.subarray(i * PIXELS, (i + 1) * PIXELS), row * PIXELS)
      return { dtype: 'float32' as const, shape: [indices.length, ...SHAPE], data }
    },
  }
}

/** Digits, digits in inverted colours, and noise. */
function mixed(): Float32Array {
  const { images } = readDigits(JUDGED, FITTED + CALIBRATED)
  const { uniform } = rng(4)
  return images.map((value, at) => [value, 1 - value, uniform()][Math.floor(at / PIXELS) % 3])
}

/** As many samples, of which the second is finite and yet so large that the model overflows. */
function overflowing(): Float32Array {
  return readDigits(JUDGED, FITTED + CALIBRATED).images.map((value, at) =>
    Math.floor(at / PIXELS) === 1 ? 3e38 : value,
  )
}

function withNan(): Float32Array {
  return readDigits(1, FITTED + CALIBRATED).images.fill(Number.NaN, 400, 401)
}

const batches = [mixed(), overflowing()]

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hardpack-'))
  const browserTargets = skip ? undefined : await chromiumTargets(['webgpu'])
  try {
    const webgpu = browserTargets?.targets ?? []
    for (const target of webgpu) {
      const { available, reason = '' } = await target.probe()
      if (available) adapter = /software/.test(reason) ? 'software' : 'hardware'
    }
    const onnx = await readFile(fileURLToPath(new URL('../../e2e/models/mnist-cnn.onnx', import.meta.url)))
    const targets = [node({ threads: 1 }), wasm(), ...(adapter === 'hardware' ? webgpu : [])]
    const guard = { fit: digits(0, FITTED), calibrate: digits(FITTED, CALIBRATED), targets }
    bytes = (await pack(onnx, { name: 'digits', effort: 'fast', guard })).bytes
  } finally {
    await browserTargets?.close()
  }
  if ('reason' in chromium) return
  await build({
    entryPoints: [fileURLToPath(new URL('./pages/guard.js', import.meta.url))],
    outdir: folder,
    bundle: true,
    format: 'esm',
    logLevel: 'silent',
    plugins: [hardpack()],
  })
  await writeFile(join(folder, 'index.html'), '<!doctype html><script type="module" src="guard.js"></script>')
  await writeFile(join(folder, 'digits.hpk'), bytes)
  const inputs = { '0.bin': batches[0], '1.bin': batches[1], 'nan.bin': withNan() }
  for (const [name, { buffer, byteOffset, byteLength }] of Object.entries(inputs)) {
    await writeFile(join(folder, name), new Uint8Array(buffer, byteOffset, byteLength))
  }
  served = await serve({ root: folder, csp: STRICT_CSP })
  browser = await launchChromium(chromium.path)
  page = await openPage(browser, served.url)
})

after(async () => {
  await browser?.close()
  await served?.close()
  if (folder) await rm(folder, { recursive: true, force: true })
})

async function inNode(some: readonly Float32Array[] = batches): Promise<PageRun[]> {
  const model = await open(bytes, { targets: [node({ threads: 1 })], trust: 'unsigned' })
  return verdictsOf(model, SHAPE, some).finally(() => model.close())
}

const inChromium = (target: PageTarget, files: readonly string[]): Promise<PageRun[]> =>
  page.call(`guard.verdicts('${target}', 'digits.hpk', ${JSON.stringify(SHAPE)}, ${JSON.stringify(files)})`)

test('in Node the guard accepts digits, refuses what is none, and fails closed where the model overflows', async () => {
  const [judged, overflowed] = await inNode()
  const actions = [0, 1, 2].map((kind) => judged.verdicts.filter((_, i) => i % 3 === kind).map(({ action }) => action))
  const share = (list: readonly string[]): number => list.filter((action) => action === 'accept').length / list.length
  assert.ok(share(actions[0]) >= 0.8, `digits accepted: ${share(actions[0])}`)
  assert.ok(share([...actions[1], ...actions[2]]) <= 0.1, 'inverted digits and noise accepted')
  for (const [i, { action, p }] of overflowed.verdicts.entries()) {
    assert.deepEqual([action === 'indeterminate', p === null], [i === 1, i === 1], `sample ${i}`)
  }
  assert.deepEqual(overflowed.outputs, [])
})

test('NaN in an input is refused before any model sees it', async () => {
  await assert.rejects(inNode([withNan()]), { code: 'INVALID_INPUT', message: /"image".*NaN.*element 400/ })
})

for (const target of ['wasm', 'webgpu'] as const) {
  test(`${target} in Chromium gives the verdicts of Node`, { skip, timeout: 300_000 }, async (t) => {
    if (target === 'webgpu' && adapter === 'none') return t.skip('no WebGPU adapter')
    const [mine, theirs] = [await inNode(), await inChromium(target, ['0.bin', '1.bin'])]
    const apart = 2 / (COUNTED + 1)
    for (const [batch, { verdicts, outputs }] of theirs.entries()) {
      assert.deepEqual(outputs, mine[batch].outputs)
      for (const [i, { action, p, detectors, degraded }] of verdicts.entries()) {
        const own = mine[batch].verdicts[i]
        const where = `sample ${i} of batch ${batch}`
        assert.equal(action, own.action, where)
        assert.deepEqual(Object.keys(detectors).sort(), Object.keys(own.detectors).sort(), where)
        assert.ok(Math.abs((p ?? 2) - (own.p ?? 2)) <= apart, `${where}: p ${p}, in Node ${own.p}`)
        if (own.action === 'indeterminate') continue
        if (target === 'wasm' || adapter === 'hardware') assert.equal(degraded, null, where)
        else assert.match(degraded ?? '', /calibrated on node.*not on webgpu/, where)
      }
    }
    await assert.rejects(inChromium(target, ['nan.bin']), /INVALID_INPUT|"image" expected finite numbers, got NaN/)
    assert.deepEqual(served.violations, [])
  })
}
