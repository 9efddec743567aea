/**
 * Taps: the values of a model that detectors look at. Chosen for you: one a stage (a spatial resolution of a convolutional
 * network, a depth of a transformer) and the input of the last linear layer. A tap is pooled to one number a channel, so
 * it costs one read of a map; small maps are preferred, and the largest maps, near the input, are left alone.
 *
 * A value is tapped behind its activation: between a convolution and its activation, or between a convolution and its
 * QuantizeLinear, a reader more would keep a runtime from fusing the two.
 */

import { type DType, HardpackError } from '../sdk/core/index.ts'
import {
  type Fragment,
  type GraphIndex,
  type GraphProto,
  indexGraph,
  intsOf,
  type NodeProto,
} from '../sdk/onnx/index.ts'
import { checkFeatures, type Features } from './features.ts'

export interface Tap {
  /** Name of the value in the model. */
  readonly value: string
  /** Numbers that the tap gives a sample. */
  readonly channels: number
  /** Averaged over what lies behind the channels (`map`: [n, channels, …]), over tokens (`tokens`: [n, tokens, channels]), or taken whole. */
  readonly pool: 'map' | 'tokens' | 'none'
  /** Tokens of a sample, where they are rows beside those of other samples: `[n · tokens, channels]`. */
  readonly tokens?: number
}

/** What a value was seen to be when the model ran. */
export interface Observed {
  readonly dtype: DType
  readonly shape: readonly number[]
}

export interface ChooseTapsOptions {
  /** Name of the value with the logits, or probabilities, `[n, classes]`. */
  readonly logits: string
  /** Exactly these values, instead of the automatic choice. */
  readonly names?: readonly string[]
}

/** Stages tapped, beside the penultimate value. */
const STAGES = 4
/** Within a stage, a map of more than this many times the channels of its residual sums, or its smallest, is left alone. */
const WIDEST = 2
/** Numbers a sample of the largest map that is tapped, where there is a smaller one: reading 1 MB takes 0.1 ms. */
const LARGEST_MAP = 2 ** 18
/** A penultimate value that is a flattened map is taken pooled, as its stage is, where it has more numbers than this. */
const WIDEST_FLATTENED = 512

const ACTIVATIONS = [
  ...['Relu', 'PRelu', 'LeakyRelu', 'Clip', 'HardSwish', 'Elu', 'Selu', 'Celu', 'Gelu', 'Mish', 'Softplus', 'Tanh'],
  ...['ThresholdedRelu'],
]
const GATES = new Set(['Sigmoid', 'HardSigmoid', 'Clip', 'Div'])
const LINEAR = new Set(['Conv', 'ConvTranspose', 'ConvInteger', 'Gemm', 'MatMul', 'MatMulInteger'])
const CANDIDATES = new Set([
  ...ACTIVATIONS,
  ...['Conv', 'BatchNormalization', 'LayerNormalization', 'Gemm', 'MatMul', 'Add', 'Mul', 'DequantizeLinear'],
  // What a classifier's last layer reads: the pooled map, or one token.
  ...['GlobalAveragePool', 'AveragePool', 'ReduceMean', 'Gather'],
])
/** Runtimes fuse these with what makes their input, unless somebody else reads it too. */
const FUSED = new Set([...ACTIVATIONS, 'BatchNormalization'])
/** Change at most the shape or the number format of what they read. */
const RESHAPES = new Set([
  ...['Flatten', 'Reshape', 'Squeeze', 'Unsqueeze', 'Transpose', 'Identity', 'Dropout', 'Cast'],
  ...['QuantizeLinear', 'DequantizeLinear', 'DynamicQuantizeLinear'],
])
/** What can lie between the last linear layer and the end. */
const BEHIND_LOGITS = new Set([
  ...RESHAPES,
  'Softmax',
  'LogSoftmax',
  'Sigmoid',
  'Add',
  'Mul',
  'Div',
  'Sub',
  'Exp',
  'Concat',
  'Slice',
])
/** What can lie between a map and the linear layer that reads it flattened. */
const BESIDE_FLATTEN = new Set([...RESHAPES, 'Sub', 'Div', 'Add', 'Mul'])

const FUSED_OR_QUANTISED = new Set([...FUSED, 'QuantizeLinear', 'DequantizeLinear'])

/** A graph's index, and all that is computed from constants alone. */
interface Flow extends GraphIndex {
  readonly fixed: ReadonlySet<string>
}

function flowOf(graph: GraphProto): Flow {
  const index = indexGraph(graph)
  const fixed = new Set(index.constants.keys())
  for (const { input, output } of graph.node) {
    if (input.length > 0 && input.every((name) => name === '' || fixed.has(name)))
      for (const name of output) fixed.add(name)
  }
  return { ...index, fixed }
}

/** The inputs of a node that depend on the input of the model. */
const dataInputs = (node: NodeProto, { fixed }: Flow): string[] =>
  node.input.filter((name) => name !== '' && !fixed.has(name))

function isCandidate(node: NodeProto, index: Flow): boolean {
  if (!CANDIDATES.has(node.opType)) return false
  const inputs = dataInputs(node, index)
  if (inputs.length === 0) return false
  const readers = index.consumers.get(node.output[0]) ?? []
  if (readers.length > 0 && readers.every(({ opType }) => opType === 'QuantizeLinear')) return false
  const from = inputs.map((name) => index.producers.get(name))
  // SiLU and hard-swish: x times a gate.
  if (node.opType === 'Mul') return inputs.length === 2 && from.some((maker) => maker && GATES.has(maker.opType))
  if (node.opType === 'DequantizeLinear') {
    const quantiser = from[0]
    if (quantiser?.opType !== 'QuantizeLinear') return false
    const source = index.producers.get(through(quantiser.input[0], RESHAPES, index))
    return source !== undefined && !RESHAPES.has(source.opType)
  }
  return node.opType !== 'Gather' || from[0]?.opType !== 'Shape'
}

/**
 * The values worth observing, in the order in which the graph makes them: outputs of activations, residual sums, linear and
 * normalising layers, of the main graph. Whether they are floats is known once they were observed.
 *
 * @example
 * tapCandidates(model.graph) // ['/conv1/Relu_output_0', …]
 */
export function tapCandidates(graph: GraphProto): string[] {
  const index = flowOf(graph)
  return graph.node.filter((node) => isCandidate(node, index)).map(({ output }) => output[0])
}

/** The nodes that values depend on. */
function ancestors(values: readonly string[], { producers }: Flow): Set<NodeProto> {
  const seen = new Set<NodeProto>()
  const open = [...values]
  for (let name = open.pop(); name !== undefined; name = open.pop()) {
    const node = producers.get(name)
    if (!node || seen.has(node)) continue
    seen.add(node)
    open.push(...node.input)
  }
  return seen
}

/** Walks from a value towards the input, through nodes of certain kinds; gives the value that another kind made. */
function through(value: string, kinds: ReadonlySet<string>, index: Flow): string {
  for (;;) {
    const node = index.producers.get(value)
    if (!node || !kinds.has(node.opType)) return value
    const next = dataInputs(node, index).find((name) => index.producers.has(name))
    if (next === undefined) return value
    value = next
  }
}

const isFloat = ({ dtype }: Observed): boolean => dtype === 'float32' || dtype === 'float16'
const areaOf = ({ shape }: Observed): number => shape.slice(2).reduce((product, size) => product * size, 1)

/** Whether a value `[n, a, b]` came from a convolution over one axis: channels first, unlike tokens. */
function isMapOfOneAxis(value: string, index: Flow): boolean {
  const local = new Set([...CANDIDATES, ...RESHAPES].filter((kind) => !LINEAR.has(kind) && kind !== 'Transpose'))
  return /^Conv|Pool$/.test(index.producers.get(through(value, local, index))?.opType ?? '')
}

/** Tokens that are rows beside those of other samples, with an axis of their own. */
function withTokens(seen: Observed, samples: number): Observed {
  const [rows, channels] = seen.shape
  const areTokens = seen.shape.length === 2 && rows > samples && rows % samples === 0
  return areTokens ? { ...seen, shape: [samples, rows / samples, channels] } : seen
}

/** Whether rows were made of tokens that lie in front of the samples, `[tokens, n, channels]`. */
function areTokensFirst(value: string, index: Flow): boolean {
  let node = index.producers.get(value)
  while (node && node.opType !== 'Reshape') node = index.producers.get(dataInputs(node, index)[0])
  const before = index.producers.get(node?.input[0] ?? '')
  return before?.opType === 'Transpose' && intsOf(before, 'perm')?.[0] !== 0
}

function tapOf(value: string, seen: Observed, index: Flow): Tap {
  const { shape } = seen
  if (shape.length === 2) return { value, channels: shape[1], pool: 'none' }
  if (shape.length === 3 && !isMapOfOneAxis(value, index)) return { value, channels: shape[2], pool: 'tokens' }
  return { value, channels: shape[1], pool: 'map' }
}

/** The linear layers behind which nothing is learnt any more: one, for a classifier. */
function lastLayers(logits: string, index: Flow): NodeProto[] {
  const layers = new Set<NodeProto>()
  const seen = new Set<string>()
  const open = [logits]
  for (let name = open.pop(); name !== undefined; name = open.pop()) {
    const node = index.producers.get(name)
    if (!node || seen.has(name)) continue
    seen.add(name)
    if (LINEAR.has(node.opType)) layers.add(node)
    else if (BEHIND_LOGITS.has(node.opType)) open.push(...dataInputs(node, index))
  }
  return [...layers]
}

/** What the last linear layer reads, as close to that layer as was observed. */
function penultimate(
  layers: readonly NodeProto[],
  observed: ReadonlyMap<string, Observed>,
  index: Flow,
): string | undefined {
  if (layers.length !== 1) return undefined
  const [input] = dataInputs(layers[0], index)
  return [input, through(input, RESHAPES, index)].find((name) => {
    const seen = observed.get(name)
    return seen && isFloat(seen) && seen.shape.length >= 2
  })
}

/** `count` of a list, evenly spaced, the last included. */
function evenly<T>(list: readonly T[], count: number): T[] {
  if (list.length <= count) return [...list]
  return Array.from({ length: count }, (_, i) => list[Math.round(((i + 1) * list.length) / count) - 1])
}

function isResidualSum(value: string, index: Flow): boolean {
  const node = index.producers.get(through(value, FUSED_OR_QUANTISED, index))
  return node?.opType === 'Add' && dataInputs(node, index).length === 2
}

/** The last of the small maps of each spatial resolution, for the smallest resolutions. */
function stages(maps: readonly [string, Observed][], index: Flow): string[] {
  const byArea = new Map<number, [string, Observed][]>()
  for (const entry of maps) byArea.set(areaOf(entry[1]), [...(byArea.get(areaOf(entry[1])) ?? []), entry])
  const areas = [...byArea.keys()].sort((a, b) => a - b).slice(0, STAGES)
  const chosen = areas.reverse().map((area) => {
    const stage = byArea.get(area) as [string, Observed][]
    const channels = ([, { shape }]: [string, Observed]): number => shape[1]
    const sum = stage.findLast(([name]) => isResidualSum(name, index))
    const usual = sum ? channels(sum) : Math.min(...stage.map(channels))
    const small = stage.filter((entry) => channels(entry) <= WIDEST * usual)
    return small[small.length - 1]
  })
  return chosen
    .filter(([, seen], i) => i === chosen.length - 1 || seen.shape[1] * areaOf(seen) <= LARGEST_MAP)
    .map(([name]) => name)
}

/** The residual stream of a transformer: sums of two values that are as wide as the last of them. */
function residualStream(tokens: readonly [string, Observed][], index: Flow): string[] {
  const sums = tokens.filter(([name]) => isResidualSum(name, index))
  const stream = sums.length > 0 ? sums : tokens
  const width = stream[stream.length - 1]?.[1].shape[2]
  return stream.filter(([, { shape }]) => shape[2] === width).map(([name]) => name)
}

function automatic(observed: ReadonlyMap<string, Observed>, logits: string, index: Flow): string[] {
  const layers = lastLayers(logits, index)
  const before = ancestors(layers.length > 0 ? layers.flatMap((node) => dataInputs(node, index)) : [logits], index)
  const values = tapCandidates(index.graph).flatMap((name): [string, Observed][] => {
    const maker = index.producers.get(name)
    const seen = observed.get(name)
    if (!seen || !isFloat(seen) || !maker || !before.has(maker)) return []
    const readers = index.consumers.get(name) ?? []
    return readers.length === 1 && FUSED.has(readers[0].opType) ? [] : [[name, seen]]
  })
  const pools = (pool: Tap['pool']): [string, Observed][] =>
    values.filter(([name, seen]) => seen.shape.length >= 2 && tapOf(name, seen, index).pool === pool)
  const maps = pools('map').filter(([, seen]) => areaOf(seen) > 1)
  const tokens = pools('tokens').filter(([, { shape }]) => shape[1] > 1)
  const chosen =
    tokens.length > 0 && maps.length < tokens.length
      ? evenly(residualStream(tokens, index), STAGES)
      : maps.length > 0
        ? stages(maps, index)
        : evenly(
            pools('none').map(([name]) => name),
            STAGES,
          )

  const end = penultimate(layers, observed, index)
  if (end === undefined) return chosen
  const source = through(end, BESIDE_FLATTEN, index)
  const flattened = maps.some(([name]) => name === source)
  if (flattened && (observed.get(end) as Observed).shape.slice(1).reduce((a, b) => a * b, 1) > WIDEST_FLATTENED) {
    return chosen
  }
  // The pooled last map twice would be the same numbers twice.
  const pooled = index.producers.get(through(end, RESHAPES, index))
  const same = /^(GlobalAveragePool|AveragePool|ReduceMean)$/.test(pooled?.opType ?? '')
    ? through(pooled?.input[0] ?? end, RESHAPES, index)
    : end
  return [...chosen.filter((name) => name !== same && name !== end), end]
}

/**
 * Chooses what to tap.
 *
 * @param graph of the protected model
 * @param observed what its values were seen to be on a batch; at least those of `tapCandidates`, and the named ones
 * @throws HardpackError `INVALID_ARGUMENT` for a name that was not observed or is no float of rank 2 or more,
 *   `UNSUPPORTED_MODEL` where nothing suits.
 * @example
 * const taps = chooseTaps(model.graph, observed, { logits: 'logits' })
 */
export function chooseTaps(
  graph: GraphProto,
  observed: ReadonlyMap<string, Observed>,
  { logits, names }: ChooseTapsOptions,
): Tap[] {
  const index = flowOf(graph)
  const samples = observed.get(logits)?.shape[0] ?? Number.POSITIVE_INFINITY
  const known = new Map(
    Array.from(observed, ([name, seen]) => [name, areTokensFirst(name, index) ? seen : withTokens(seen, samples)]),
  )
  const chosen = names ?? automatic(known, logits, index)
  if (chosen.length === 0) {
    throw new HardpackError('UNSUPPORTED_MODEL', `A guard expected activations before "${logits}" to tap, got none.`, {
      hint: 'Name the values to tap.',
    })
  }
  return chosen.map((name) => {
    const seen = known.get(name)
    if (seen && isFloat(seen) && seen.shape.length >= 2) {
      const [, tokens, channels] = seen.shape
      return seen === observed.get(name) ? tapOf(name, seen, index) : { value: name, channels, pool: 'tokens', tokens }
    }
    const some = tapCandidates(graph).filter((candidate) => observed.has(candidate))
    throw new HardpackError(
      'INVALID_ARGUMENT',
      `A tap expected the name of a float value with a batch axis, got "${name}"${seen ? ` (${seen.dtype}[${seen.shape}])` : ''}.`,
      {
        hint: `There are, among others: ${evenly(some, 5).join(', ')}.`,
      },
    )
  })
}

export interface TapColumns {
  readonly value: string
  /** The first column of the features that is this tap's. */
  readonly start: number
  /** Behind its last column. */
  readonly end: number
}

/** Where the numbers of each tap lie in the features. */
export function tapLayout(taps: readonly Tap[]): TapColumns[] {
  let end = 0
  return taps.map(({ value, channels }) => {
    const start = end
    end += channels
    return { value, start, end }
  })
}

/**
 * The features of one tap, for a detector of its own (`last-layer`, `per-layer`).
 *
 * @example
 * const perLayer = tapLayout(taps).map((columns) => fitMahalanobis(columnsOf(features, columns), labels))
 */
export function columnsOf(features: Features, { start, end }: Pick<TapColumns, 'start' | 'end'>): Features {
  checkFeatures('Features to split', features)
  const { rows, columns, data } = features
  if (!(Number.isInteger(start) && Number.isInteger(end) && start >= 0 && start < end && end <= columns)) {
    throw new HardpackError('INVALID_ARGUMENT', `Columns expected a range within ${columns}, got ${start} to ${end}.`)
  }
  const part = new Float32Array(rows * (end - start))
  for (let row = 0; row < rows; row++) {
    part.set(data.subarray(row * columns + start, row * columns + end), row * (end - start))
  }
  return { rows, columns: end - start, data: part }
}

/**
 * Appends the pooling of taps. A mean that keeps no dimension lets a runtime that computes channels last leave them there;
 * behind GlobalAveragePool it would turn the whole map first.
 *
 * @param observed what the tapped values were seen to be
 * @returns the name of the features, float32 `[n, columns]`; the columns of each tap as `tapLayout` says
 * @example
 * const features = tapHead(fragment, taps, new Map([['relu4', { dtype: 'float32', shape: [1, 64, 7, 7] }]]))
 */
export function tapHead(fragment: Fragment, taps: readonly Tap[], observed: ReadonlyMap<string, Observed>): string {
  const rows = taps.map(({ value, channels, pool, tokens }) => {
    const { dtype, shape } = observed.get(value) as Observed
    const float = dtype === 'float32' ? value : fragment.cast(value, 'float32')
    if (pool === 'none') return float
    if (tokens !== undefined) return fragment.reduce('ReduceMean', fragment.reshape(float, [-1, tokens, channels]), [1])
    const axes = pool === 'tokens' ? [1] : Array.from({ length: shape.length - 2 }, (_, i) => i + 2)
    return fragment.reduce('ReduceMean', float, axes)
  })
  return rows.length === 1 ? rows[0] : fragment.node('Concat', rows, { axis: 1 })
}
