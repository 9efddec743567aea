/**
 * `npm run demo`: packs real models of different kinds, shows their sizes beside gzip and brotli, and runs each on every
 * target that this machine has, with the same answers.
 */

import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'
import { inChromium } from '../sdk/cli/browser-parity.ts'
import { count, table } from '../sdk/cli/command.ts'
import { parityTable } from '../sdk/cli/parity.ts'
import { progressDisplay } from '../sdk/cli/progress-bar.ts'
import { bytesSource, type Tensor } from '../sdk/core/index.ts'
import { open } from '../sdk/node.ts'
import { generateKeyPair, pack, parity } from '../sdk/pack/index.ts'
import { node } from '../targets/node.ts'
import { generalSizes } from './bench/general-compressors.ts'
import { readDigits } from './models/digits.ts'

interface DemoModel {
  readonly name: string
  readonly what: string
  readonly path: string
  /** Real inputs, as golden cases. */
  readonly golden: readonly Readonly<Record<string, Tensor>>[]
}

const DIGITS = 100

function models(): DemoModel[] {
  const own = (file: string) => fileURLToPath(new URL(`../../e2e/models/${file}`, import.meta.url))
  const vad = createRequire(import.meta.url).resolve('@ricky0123/vad-web/dist/silero_vad_v5.onnx')
  const { images } = readDigits(1)
  const digits = [{ image: { dtype: 'float32', shape: [1, 1, 28, 28], data: images } }] as const
  const tone = Float32Array.from({ length: 512 }, (_, i) => ((i * 7) % 64) / 32 - 1)
  const frame: Readonly<Record<string, Tensor>> = {
    input: { dtype: 'float32', shape: [1, 512], data: tone },
    state: { dtype: 'float32', shape: [2, 1, 128], data: new Float32Array(256) },
    sr: { dtype: 'int64', shape: [], data: BigInt64Array.of(16000n) },
  }
  return [
    { name: 'mnist-cnn', what: 'digit classifier, float32', path: own('mnist-cnn.onnx'), golden: digits },
    { name: 'mnist-cnn-int8', what: 'the same, quantised to int8', path: own('mnist-cnn-int8.onnx'), golden: digits },
    { name: 'silero-vad', what: 'speech detector, weights inside If branches', path: vad, golden: [frame] },
  ]
}

/** How many of the first test digits a packed classifier reads rightly. */
async function accuracy(bytes: Uint8Array, publicKey: Uint8Array): Promise<string> {
  const { images, labels } = readDigits(DIGITS)
  const model = await open(bytes, { targets: [node()], trustedKeys: [publicKey] })
  const { outputs } = await model.run({ image: images }).finally(() => model.close())
  const logits = outputs.logits.data as Float32Array
  const right = labels.filter((label, i) => {
    const row = logits.subarray(10 * i, 10 * i + 10)
    return row.indexOf(Math.max(...row)) === label
  }).length
  return `reads ${right} of the first ${DIGITS} MNIST test digits`
}

const display = progressDisplay(process.stderr)
const { onProgress } = display
const say = (text = ''): void => {
  display.clear()
  process.stdout.write(`${text}\n`)
}
const { secretKey, publicKey } = await generateKeyPair()
const sizes: string[][] = [['model', 'ONNX', 'gzip -9', 'brotli -11', 'hardpack', 'of ONNX']]
const parts: string[] = []
const refused: string[] = []
for (const { name, what, path, golden } of models()) {
  process.stderr.write(`${name}: pack, open, run\n`)
  const model = await readFile(path)
  const { bytes } = await pack(model, { name, golden, secretKeys: [secretKey], onProgress })
  const { gzip, brotli } = await generalSizes(model)
  const share = `${((100 * bytes.length) / model.length).toFixed(1)} %`
  sizes.push([name, count(model.length), count(gzip), count(brotli), count(bytes.length), share])
  const rows = [
    ...(await parity(bytesSource(bytes), [node()], { trustedKeys: [publicKey], onProgress })),
    ...(await inChromium({ file: bytes }, { onProgress })),
  ]
  for (const { target, available, withinTolerance } of rows) {
    if (available && !withinTolerance) refused.push(`${name} on ${target}`)
  }
  if (!rows.some(({ withinTolerance }) => withinTolerance)) process.exitCode = 1
  const read = name.startsWith('mnist') ? `; ${await accuracy(bytes, publicKey)}` : ''
  parts.push(`${name} (${what})${read}\n${parityTable(rows)}`)
}
say('One signed file each, in bytes; gzip and brotli are of the whole ONNX file:\n')
say(table(sizes, [1, 2, 3, 4, 5]))
for (const part of parts) say(`\n${part}`)
say('\nsame: the target gives the reference answers within the tolerance that is stored in the file.')
for (const where of refused) {
  say(`${where}: the runtime itself gives other answers, also for the plain ONNX file.`)
  say('The self-test catches it: open() does not use it there and goes on to the next target.')
}
