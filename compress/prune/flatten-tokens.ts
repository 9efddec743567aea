/**
 * Linear layers over tokens as products of two matrices. What happens to each token by itself (a linear layer, its bias, activations,
 * LayerNormalization over channels, residual sums) is the same on `[batch · tokens, channels]` as on `[batch, tokens, channels]`. There
 * runtimes join a MatMul and the bias behind it to one Gemm; with another axis in front they do not, and in a narrow layer the bias
 * takes as long as the product.
 */

import type { CallOptions, Tensor } from '../../sdk/core/index.ts'
import {
  type GraphIndex,
  indexGraph,
  intOf,
  intsOf,
  type Model,
  makeNode,
  makeTensor,
  type NodeProto,
  payloadOf,
} from '../../sdk/onnx/index.ts'
import { removeUnread } from './groups/unread.ts'
import { copyModel } from './groups/unshare.ts'
import { runsOf, tellingBatches } from './observe.ts'
import type { Execute, Samples } from './types.ts'

/** Operators on single numbers, of one or of two values. */
const ELEMENTWISE = new Set([
  ...['Add', 'Sub', 'Mul', 'Div', 'Pow', 'Relu', 'Erf', 'Sigmoid', 'Tanh', 'Gelu', 'Sqrt', 'Neg', 'Exp', 'Identity'],
])

/** A value of the graph: its sizes, with −1 for one that follows the batch. */
type Shape = readonly number[]

/** Nodes next to one another that treat each token by itself, and where other nodes meet them. */
interface Region {
  readonly nodes: ReadonlySet<NodeProto>
  /** Values that are made elsewhere, and values that are read elsewhere. */
  readonly entries: readonly string[]
  readonly exits: readonly string[]
}

/**
 * The same model with tokens as rows, wherever that saves more biases than it takes `Reshape` nodes.
 *
 * @returns itself where there is nothing to save, or the sizes of inputs are open
 * @example
 * await flattenTokens(vit, samples, execute) // its blocks compute on [−1, channels]
 */
export async function flattenTokens(
  model: Model,
  samples: Samples,
  execute: Execute,
  { signal }: CallOptions = {},
): Promise<Model> {
  const index = indexGraph(model.graph)
  const hasBiases = model.graph.node.some((node) => biasBehind(node, index))
  const isSparse = model.graph.sparseInitializer.length > 0
  const batches = hasBiases && !isSparse ? await tellingBatches(model, samples) : []
  if (batches.length === 0) return model
  const shapes = await shapesOf(model, batches, execute, { signal })
  const regions = regionsOf(model, index, shapes).filter((region) => isWorth(region, index))
  if (regions.length === 0) return model
  const flat = copyModel(model)
  const copies = new Map(model.graph.node.map((node, i) => [node, flat.graph.node[i]]))
  for (const region of regions) flatten(flat, region, index, shapes, copies)
  removeUnread(flat)
  return flat
}

/** The sizes of all values. */
async function shapesOf(
  model: Model,
  batches: readonly Tensor[],
  execute: Execute,
  options: CallOptions,
): Promise<Map<string, Shape>> {
  const longer = copyModel(model)
  const { graph } = longer
  const values = graph.node.flatMap(({ opType, output }) => (opType === 'Constant' ? [] : output.filter(Boolean)))
  const nameOf = (value: string): string => `${value}/flatten/shape`
  graph.node.push(...values.map((value) => makeNode('Shape', [value], [nameOf(value)])))
  const [first, second = first] = await runsOf(longer, values.map(nameOf), batches, execute, options)
  return new Map(
    values.map((value) => {
      const [a, b] = [first, second].map((run) => Array.from(run[nameOf(value)].data, Number))
      return [value, a.map((size, i) => (size === b[i] ? size : -1))]
    }),
  )
}

/** The `Add` of a bias behind a MatMul with constant weights, which a runtime would join with it. */
function biasBehind({ opType, input, output }: NodeProto, { constants, consumers }: GraphIndex): NodeProto | undefined {
  const weight = constants.get(input[1])
  if (opType !== 'MatMul' || weight?.dims.length !== 2) return undefined
  const [add, ...others] = consumers.get(output[0]) ?? []
  const isBias = add?.opType === 'Add' && add.input.some((name) => constants.get(name)?.dims.length === 1)
  return isBias && others.length === 0 ? add : undefined
}

function regionsOf({ graph }: Model, index: GraphIndex, shapes: ReadonlyMap<string, Shape>): Region[] {
  const { constants, consumers, producers } = index
  const byToken = new Set(graph.node.filter((node) => treatsTokens(node, index, shapes)))
  const regions: Region[] = []
  const seen = new Set<NodeProto>()
  for (const start of byToken) {
    if (seen.has(start)) continue
    const nodes = new Set([start])
    for (const node of nodes) {
      const values = node.input.filter((name) => name !== '' && !constants.has(name))
      const makers = values.flatMap((name) => producers.get(name) ?? [])
      // Readers of one value share its rows.
      const readers = [...values, node.output[0]].flatMap((name) => consumers.get(name) ?? [])
      for (const other of [...makers, ...readers]) if (byToken.has(other)) nodes.add(other)
    }
    for (const node of nodes) seen.add(node)
    const inside = (node: NodeProto | undefined): boolean => node !== undefined && nodes.has(node)
    const values = [...nodes].flatMap(({ input }) => input).filter((name) => name !== '' && !constants.has(name))
    regions.push({
      nodes,
      entries: [...new Set(values)].filter((name) => !inside(producers.get(name))),
      exits: [...nodes]
        .map(({ output }) => output[0])
        .filter((name) => isOutput(name, index) || !(consumers.get(name) ?? []).every(inside)),
    })
  }
  return regions
}

/** Whether only the first size may follow the batch: a `Reshape` takes −1 once. */
const isSettled = ([, ...sizes]: Shape): boolean => sizes.every((size) => size > 0)

/** Whether a node computes each token of `[batch, …, channels]` by itself, and would do so without the axes between. */
function treatsTokens(node: NodeProto, { constants }: GraphIndex, shapes: ReadonlyMap<string, Shape>): boolean {
  const { domain, opType, input, output } = node
  const shape = shapes.get(output[0])
  if (domain !== '' || !shape || shape.length < 3 || output.length !== 1) return false
  const tokens = shape.slice(0, -1)
  const isAlike = (name: string): boolean => {
    const own = shapes.get(name)
    return own?.length === shape.length && tokens.every((size, i) => own[i] === size) && isSettled(own)
  }
  if (!isSettled(shape)) return false
  const isOfChannels = (name: string): boolean => (constants.get(name)?.dims.length ?? 2) <= 1
  const [first, ...others] = input
  if (opType === 'MatMul') return isAlike(first) && constants.get(others[0])?.dims.length === 2
  if (opType === 'LayerNormalization') {
    return isAlike(first) && intOf(node, 'axis', -1) === -1 && others.every(isOfChannels)
  }
  if (opType === 'ReduceMean') return isAlike(first) && isOverChannels(node, constants)
  return ELEMENTWISE.has(opType) && input.some(isAlike) && input.every((name) => isAlike(name) || isOfChannels(name))
}

function isOverChannels(node: NodeProto, constants: GraphIndex['constants']): boolean {
  const given = constants.get(node.input[1] ?? '')
  const axes = given ? Array.from(payloadOf(given).data, Number) : (intsOf(node, 'axes') ?? [])
  return axes.length === 1 && axes[0] === -1 && intOf(node, 'keepdims', 1) === 1
}

/** Whether more biases join their products than nodes are needed at the borders. */
function isWorth(region: Region, index: GraphIndex): boolean {
  const saved = [...region.nodes].filter((node) => biasBehind(node, index)).length
  const { entries, exits } = region
  const needed = entries.filter((name) => !comesReshaped(name, region, index)).length
  return saved > needed + exits.filter((name) => !isReshaped(name, region, index)).length
}

const isOutput = (value: string, { graph }: GraphIndex): boolean => graph.output.some(({ name }) => name === value)

/** A value that a `Reshape` makes for the region alone: it can give rows as well. */
function comesReshaped(value: string, { nodes }: Region, index: GraphIndex): boolean {
  const { constants, producers, consumers } = index
  const maker = producers.get(value)
  return (
    maker?.opType === 'Reshape' &&
    constants.has(maker.input[1]) &&
    !isOutput(value, index) &&
    (consumers.get(value) ?? []).every((node) => nodes.has(node))
  )
}

/** A value that elsewhere is only read to be reshaped to sizes that do not refer to its own: it may come as rows. */
function isReshaped(value: string, { nodes }: Region, index: GraphIndex): boolean {
  const { constants, consumers } = index
  const elsewhere = (consumers.get(value) ?? []).filter((node) => !nodes.has(node))
  return (
    !isOutput(value, index) &&
    elsewhere.every(({ opType, input: [data, target] }) => {
      const sizes = constants.get(target)
      return opType === 'Reshape' && data === value && sizes && !Array.from(payloadOf(sizes).data, Number).includes(0)
    })
  )
}

/** Changes a region of a copy; nodes of the original are known by their copies. */
function flatten(
  { graph }: Model,
  region: Region,
  index: GraphIndex,
  shapes: ReadonlyMap<string, Shape>,
  copies: ReadonlyMap<NodeProto, NodeProto>,
): void {
  const makerOf = (value: string): NodeProto => copies.get(index.producers.get(value) as NodeProto) as NodeProto
  const target = (name: string, sizes: Shape): string => {
    graph.initializer.push(
      makeTensor(name, { dtype: 'int64', shape: [sizes.length], data: BigInt64Array.from(sizes, BigInt) }),
    )
    return name
  }
  const rowsOf = (value: string): string => `${value}/flatten/rows`
  const insert = (maker: NodeProto, from: string, sizes: string, to: string): void => {
    graph.node.splice(graph.node.indexOf(maker) + 1, 0, makeNode('Reshape', [from, sizes], [to]))
  }
  const renamed = new Map<string, string>()
  for (const value of region.entries) {
    const sizes = target(`${value}/flatten/target`, [-1, (shapes.get(value) as Shape).at(-1) as number])
    const maker = makerOf(value)
    if (comesReshaped(value, region, index)) {
      maker.input[1] = sizes
    } else {
      insert(maker, value, sizes, rowsOf(value))
      renamed.set(value, rowsOf(value))
    }
  }
  for (const value of region.exits) {
    if (isReshaped(value, region, index)) continue
    const maker = makerOf(value)
    const [, ...sizes] = shapes.get(value) as Shape
    insert(maker, rowsOf(value), target(`${value}/flatten/target`, [-1, ...sizes]), value)
    maker.output = [rowsOf(value)]
    renamed.set(value, rowsOf(value))
  }
  for (const node of region.nodes) {
    const copy = copies.get(node) as NodeProto
    copy.input = copy.input.map((name) => renamed.get(name) ?? name)
  }
  const flat = new Set([...region.nodes].flatMap(({ output }) => output))
  graph.valueInfo = graph.valueInfo.filter(({ name }) => !flat.has(name) && !region.entries.includes(name))
}
