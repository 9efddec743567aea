import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type DType, HardpackError, type Tensor, toFloat16 } from '../sdk/core/index.ts'
import {
  type AttributeValue,
  Fragment,
  type GraphProto,
  makeGraph,
  makeModel,
  makeNode,
  makeTensor,
  makeValue,
  readModel,
  writeModel,
} from '../sdk/onnx/index.ts'
import { runOrt } from '../sdk/onnx/ort-oracle.ts'
import { mnistClassifier } from './mnist.fixture.ts'
import { chooseTaps, columnsOf, type Observed, tapCandidates, tapHead, tapLayout } from './taps.ts'

const seen = (shape: readonly number[], dtype: DType = 'float32'): Observed => ({ dtype, shape })
const weight = (name: string) => makeTensor(name, { dtype: 'float32', shape: [1], data: Float32Array.of(1) })

type Line = readonly [op: string, inputs: string[], output: string, attributes?: Record<string, AttributeValue>]

const graphOf = (nodes: readonly Line[], logits: string): GraphProto =>
  makeGraph('g', {
    nodes: nodes.map(([opType, inputs, output, attributes]) => makeNode(opType, inputs, [output], attributes)),
    inputs: [makeValue('x', 'float32', ['n', 3, 8, 8])],
    outputs: [makeValue(logits, 'float32', ['n', 10])],
    initializers: [weight('w')],
  })

/** As MobileNetV2: expansion, projection, residual sum; then the wide last map, pooled. */
const mobile = graphOf(
  [
    ['Conv', ['x', 'w'], 'stem'],
    ['Clip', ['stem'], 'stem6'],
    ['Conv', ['stem6', 'w'], 'wide'],
    ['Clip', ['wide'], 'wide6'],
    ['Conv', ['wide6', 'w'], 'narrow'],
    ['Add', ['narrow', 'stem6'], 'sum'],
    ['Conv', ['sum', 'w'], 'wider'],
    ['Clip', ['wider'], 'wider6'],
    ['Conv', ['wider6', 'w'], 'small'],
    ['Conv', ['small', 'w'], 'last'],
    ['Clip', ['last'], 'last6'],
    ['GlobalAveragePool', ['last6'], 'pooled'],
    ['Flatten', ['pooled'], 'flat'],
    ['Gemm', ['flat', 'w'], 'logits'],
    ['Softmax', ['logits'], 'p'],
  ],
  'p',
)
const mobileSeen = new Map<string, Observed>([
  ...['stem', 'stem6', 'narrow', 'sum'].map((name) => [name, seen([2, 8, 8, 8])] as const),
  ...['wide', 'wide6', 'wider', 'wider6'].map((name) => [name, seen([2, 48, 8, 8])] as const),
  ['small', seen([2, 16, 4, 4])],
  ['last', seen([2, 64, 4, 4])],
  ['last6', seen([2, 64, 4, 4])],
  ['pooled', seen([2, 64, 1, 1])],
  ['logits', seen([2, 10])],
])

test('one tap a stage, of its narrow maps, and the pooled last map once', () => {
  const taps = chooseTaps(mobile, mobileSeen, { logits: 'p' })
  assert.deepEqual(taps, [
    { value: 'sum', channels: 8, pool: 'map' },
    { value: 'small', channels: 16, pool: 'map' },
    { value: 'pooled', channels: 64, pool: 'map' },
  ])
})

test('a map too large to read for little is left alone, unless there is no other', () => {
  const large = new Map(mobileSeen).set('sum', seen([2, 8, 512, 512]))
  const values = (observed: ReadonlyMap<string, Observed>) =>
    chooseTaps(mobile, observed, { logits: 'p' }).map(({ value }) => value)
  for (const name of ['stem', 'stem6', 'narrow', 'wide', 'wide6', 'wider6']) large.delete(name)
  assert.deepEqual(values(large), ['small', 'pooled'])
  assert.deepEqual(values(new Map([['sum', seen([2, 8, 512, 512])]])), ['sum'])
})

test('a transformer: the residual stream at even depths, and what the last layer reads', () => {
  const blocks = Array.from({ length: 8 }, (_, i): [string, string[], string][] => [
    ['MatMul', [`s${i}`, 'w'], `m${i}`],
    ['Add', [`m${i}`, 'w'], `b${i}`],
    ['Add', [`s${i}`, `b${i}`], `s${i + 1}`],
  ]).flat()
  const graph = graphOf(
    [
      ['MatMul', ['x', 'w'], 's0'],
      ...blocks,
      ['LayerNormalization', ['s8', 'w'], 'norm'],
      ['ReduceMean', ['norm'], 'mean'],
      ['MatMul', ['mean', 'w'], 'product'],
      ['Add', ['product', 'w'], 'logits'],
    ],
    'logits',
  )
  const observed = new Map(tapCandidates(graph).map((name) => [name, seen([2, 5, 6])]))
  observed.set('mean', seen([2, 6]))
  const taps = chooseTaps(graph, observed, { logits: 'logits' })
  assert.deepEqual(
    taps.map(({ value, pool }) => [value, pool]),
    [
      ['s2', 'tokens'],
      ['s4', 'tokens'],
      ['s6', 'tokens'],
      ['s8', 'tokens'],
      ['mean', 'none'],
    ],
  )
  // The same with tokens as rows of all samples.
  const rows = new Map([...observed].map(([name, own]) => [name, name === 'mean' ? own : seen([2 * 5, 6])]))
  rows.set('logits', seen([2, 6]))
  assert.deepEqual(
    chooseTaps(graph, rows, { logits: 'logits' }),
    taps.map((tap) => (tap.pool === 'tokens' ? { ...tap, tokens: 5 } : tap)),
  )
})

test('rows are the tokens of a sample only where samples come first, whatever made them', () => {
  const rows = (perm: readonly number[]) => {
    const graph = graphOf(
      [
        ['Conv', ['x', 'w'], 'c'],
        ['Transpose', ['c'], 't', { perm }],
        ['Reshape', ['t', 'w'], 'flat'],
        ['LayerNormalization', ['flat', 'w'], 'norm'],
        ['MatMul', ['m', 'w'], 'logits'],
      ],
      'logits',
    )
    const observed = new Map([
      ['norm', seen([2 * 4, 7])],
      ['logits', seen([2, 6])],
    ])
    return chooseTaps(graph, observed, { logits: 'logits', names: ['norm'] })
  }
  assert.deepEqual(rows([0, 2, 1]), [{ value: 'norm', channels: 7, pool: 'tokens', tokens: 4 }])
  assert.deepEqual(rows([1, 0, 2]), [{ value: 'norm', channels: 7, pool: 'none' }])
})

test('a wide flattened map is tapped pooled; a multilayer perceptron by its activations', () => {
  const flat = graphOf(
    [
      ['Conv', ['x', 'w'], 'c'],
      ['Relu', ['c'], 'r'],
      ['Flatten', ['r'], 'f'],
      ['Gemm', ['f', 'w'], 'logits'],
    ],
    'logits',
  )
  const observed = new Map([
    ['c', seen([1, 64, 4, 4])],
    ['r', seen([1, 64, 4, 4])],
    ['f', seen([1, 1024])],
  ])
  assert.deepEqual(chooseTaps(flat, observed, { logits: 'logits' }), [{ value: 'r', channels: 64, pool: 'map' }])
  const layers = graphOf(
    [
      ['Gemm', ['x', 'w'], 'g1'],
      ['Relu', ['g1'], 'r1'],
      ['Gemm', ['r1', 'w'], 'g2'],
      ['Relu', ['g2'], 'r2'],
      ['Gemm', ['r2', 'w'], 'logits'],
    ],
    'logits',
  )
  const taps = chooseTaps(layers, new Map(['g1', 'r1', 'g2', 'r2'].map((name) => [name, seen([1, 7])])), {
    logits: 'logits',
  })
  assert.deepEqual(
    taps.map(({ value }) => value),
    ['r1', 'r2'],
  )
})

test('real models: float32, and quantised, where a value is tapped behind its QuantizeLinear', async () => {
  for (const [name, expected] of [
    ['mnist-cnn.onnx', ['/Relu_output_0', '/Relu_1_output_0', '/GlobalAveragePool_output_0']],
    [
      'mnist-cnn-int8.onnx',
      ['/Relu_output_0', '/Relu_1_output_0', '/Relu_3_output_0', '/Flatten_output_0'].map(
        (value) => `${value}_DequantizeLinear_Output`,
      ),
    ],
  ] as const) {
    const model = readModel(mnistClassifier(name))
    for (const value of tapCandidates(model.graph)) {
      if (value !== 'logits') model.graph.output.push(makeValue(value, 'float32', [null]))
    }
    const image: Tensor = { dtype: 'float32', shape: [2, 1, 28, 28], data: new Float32Array(2 * 784) }
    for (const output of model.graph.output) if (output.type?.tensorType) output.type.tensorType.shape = null
    const out = await runOrt(writeModel(model), { image })
    const observed = new Map(Object.entries(out).map(([key, { type, dims }]) => [key, seen(dims, type as DType)]))
    assert.deepEqual(
      chooseTaps(model.graph, observed, { logits: 'logits' }).map(({ value }) => value),
      expected,
    )
  }
})

test('names are taken as given; one that is not there is refused with some that are', () => {
  assert.deepEqual(chooseTaps(mobile, mobileSeen, { logits: 'p', names: ['wide6', 'logits'] }), [
    { value: 'wide6', channels: 48, pool: 'map' },
    { value: 'logits', channels: 10, pool: 'none' },
  ])
  assert.throws(
    () => chooseTaps(mobile, mobileSeen, { logits: 'p', names: ['nowhere'] }),
    (error) =>
      error instanceof HardpackError &&
      error.code === 'INVALID_ARGUMENT' &&
      /got "nowhere"\. There are, among others: wide, .*logits\./.test(error.message),
  )
  assert.throws(() => chooseTaps(mobile, new Map(), { logits: 'p' }), { code: 'UNSUPPORTED_MODEL' })
})

test('the features are the means over maps and over tokens, float16 included, in the order of the layout', async () => {
  const taps = [
    { value: 'map', channels: 2, pool: 'map' },
    { value: 'tokens', channels: 3, pool: 'tokens' },
    { value: 'rows', channels: 1, pool: 'tokens', tokens: 2 },
    { value: 'half', channels: 1, pool: 'map' },
    { value: 'flat', channels: 2, pool: 'none' },
  ] as const
  const feeds: Record<string, Tensor> = {
    map: { dtype: 'float32', shape: [1, 2, 1, 2], data: Float32Array.of(1, 3, 10, 30) },
    tokens: { dtype: 'float32', shape: [1, 2, 3], data: Float32Array.of(1, 2, 3, 5, 6, 7) },
    rows: { dtype: 'float32', shape: [2, 1], data: Float32Array.of(10, 12) },
    half: { dtype: 'float16', shape: [1, 1, 2, 1], data: Uint16Array.of(toFloat16(2), toFloat16(7)) },
    flat: { dtype: 'float32', shape: [1, 2], data: Float32Array.of(8, 9) },
  }
  for (const opset of [9, 13, 17, 18, 21]) {
    const fragment = new Fragment({ opset, prefix: 'guard' })
    const features = tapHead(fragment, taps, new Map(Object.entries(feeds)))
    const graph = makeGraph('taps', {
      nodes: [],
      inputs: Object.entries(feeds).map(([name, { dtype, shape }]) => makeValue(name, dtype, shape)),
      outputs: [makeValue(features, 'float32', ['n', 9])],
    })
    fragment.appendTo(graph)
    const { bytes, dims } = (await runOrt(writeModel(makeModel(graph, { opsets: { '': opset } })), feeds))[features]
    assert.deepEqual(dims, [1, 9])
    const data = new Float32Array(bytes.buffer, bytes.byteOffset, 9)
    assert.deepEqual([...data], [2, 20, 3, 4, 5, 11, 4.5, 8, 9])
    const tokens = columnsOf({ rows: 1, columns: 9, data }, tapLayout(taps)[1])
    assert.deepEqual([...tokens.data], [3, 4, 5])
  }
  const features = { rows: 1, columns: 2, data: new Float32Array(2) }
  assert.throws(() => columnsOf(features, { start: 1, end: 3 }), { code: 'INVALID_ARGUMENT' })
})
