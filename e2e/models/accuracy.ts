/**
 * Accuracy of the two models on MNIST's test digits, on both runtimes and at both ends of graph optimisation, and how far
 * the logits are from the reference (onnxruntime-node, graph as written). The README's table is its output:
 *
 *     node dist/e2e/models/accuracy.js [number of digits]
 */

import { readFileSync } from 'node:fs'
import * as node from 'onnxruntime-node'
import * as web from 'onnxruntime-web'
import { type Digits, readDigits } from './digits.ts'

const MODELS = ['mnist-cnn.onnx', 'mnist-cnn-int8.onnx']
const LEVELS = ['disabled', 'all'] as const
const BATCH = 100
const CLASSES = 10

type Runtime = typeof node | typeof web

const RUNTIMES: readonly { name: string; runtime: Runtime; provider: string }[] = [
  { name: 'onnxruntime-node', runtime: node, provider: 'cpu' },
  { name: 'onnxruntime-web (wasm)', runtime: web, provider: 'wasm' },
]

/** Logits `[count, 10]` of all images, a batch at a time. */
async function logitsOf(
  { runtime, provider }: { runtime: Runtime; provider: string },
  model: Uint8Array,
  level: (typeof LEVELS)[number],
  { images, labels }: Digits,
): Promise<Float32Array> {
  const options = { executionProviders: [provider], graphOptimizationLevel: level, intraOpNumThreads: 1 }
  const session = await runtime.InferenceSession.create(model, options)
  const logits = new Float32Array(labels.length * CLASSES)
  const pixels = images.length / labels.length
  for (let at = 0; at < labels.length; at += BATCH) {
    const count = Math.min(BATCH, labels.length - at)
    const image = new runtime.Tensor('float32', images.slice(at * pixels, (at + count) * pixels), [count, 1, 28, 28])
    logits.set((await session.run({ image })).logits.data as Float32Array, at * CLASSES)
  }
  await session.release()
  return logits
}

/** The fraction of rows whose largest logit is at the label. */
function accuracyOf(logits: Float32Array, labels: Uint8Array): number {
  let right = 0
  for (const [i, label] of labels.entries()) {
    const row = logits.subarray(i * CLASSES, (i + 1) * CLASSES)
    if (row.indexOf(Math.max(...row)) === label) right++
  }
  return right / labels.length
}

function maxAbsDiff(a: Float32Array, b: Float32Array): number {
  return a.reduce((worst, value, i) => Math.max(worst, Math.abs(value - b[i])), 0)
}

web.env.wasm.numThreads = 1
const digits = readDigits(Number(process.argv[2] ?? 10_000))
console.log('| model | bytes | runtime | graph optimisation | accuracy | largest difference of a logit |')
console.log('|---|---:|---|---|---:|---:|')
for (const name of MODELS) {
  const model = readFileSync(new URL(`../../../e2e/models/${name}`, import.meta.url))
  let reference: Float32Array | undefined
  for (const runtime of RUNTIMES) {
    for (const level of LEVELS) {
      const logits = await logitsOf(runtime, model, level, digits)
      reference ??= logits
      const accuracy = `${(100 * accuracyOf(logits, digits.labels)).toFixed(2)} %`
      const difference = maxAbsDiff(logits, reference).toPrecision(2)
      console.log(`| ${name} | ${model.length} | ${runtime.name} | ${level} | ${accuracy} | ${difference} |`)
    }
  }
}
