/**
 * Parts of a graph, for statistics: what is upstream of some values, and a second copy of what other weights change. The two
 * nets share every value that is the same in both.
 */

import {
  embed,
  indexGraph,
  type Model,
  makeUntypedOutput,
  makeValue,
  type NodeProto,
  type ValueInfoProto,
} from '../../sdk/onnx/index.ts'
import { copyOf, type Tensors, withInitializers } from './weights.ts'

/** What nodes read, their subgraphs included. */
function readsOf(model: Model): (node: NodeProto) => string[] {
  const reads = new Map<NodeProto, string[]>(model.graph.node.map((node) => [node, []]))
  for (const [name, nodes] of indexGraph(model.graph).consumers) for (const node of nodes) reads.get(node)?.push(name)
  return (node) => reads.get(node) as string[]
}

/** What is known of a value that is given instead of computed: float32, a row a sample. */
type Given = ReadonlyMap<string, { readonly shape: readonly number[] }>

/**
 * The part of a model that some values need, with those as its outputs.
 *
 * @param given values that it takes as inputs, where it needs them, with the shape of a sample
 * @example
 * upstream(model, ['features']) // ends at the features
 */
export function upstream(model: Model, outputs: readonly string[], given: Given = new Map()): Model {
  const { graph } = model
  const reads = readsOf(model)
  const needed = new Set(outputs)
  const node: NodeProto[] = []
  for (const candidate of graph.node.toReversed()) {
    if (!candidate.output.some((name) => needed.has(name) && !given.has(name))) continue
    node.push(candidate)
    for (const name of reads(candidate)) needed.add(name)
  }
  return copyOf(model, {
    graph: copyOf(graph, {
      node: node.reverse(),
      initializer: graph.initializer.filter(({ name }) => needed.has(name)),
      input: given.size === 0 ? graph.input : inputsOf(graph.input, needed, given),
      output: outputs.map((name) => graph.output.find((value) => value.name === name) ?? makeUntypedOutput(name)),
      valueInfo: [],
    }),
  })
}

function inputsOf(own: readonly ValueInfoProto[], needed: ReadonlySet<string>, given: Given): ValueInfoProto[] {
  const taken = [...given].filter(([name]) => needed.has(name))
  return [
    ...own.filter(({ name }) => needed.has(name)),
    ...taken.map(([name, { shape }]) => makeValue(name, 'float32', ['n', ...shape])),
  ]
}

/**
 * Values that depend on the input, are made before some nodes, and are read by the first of these or behind it.
 *
 * @param outputs of the nodes
 */
export function liveBefore(model: Model, outputs: readonly string[]): string[] {
  const { graph } = model
  const reads = readsOf(model)
  const at = graph.node.findIndex(({ output }) => output.some((name) => outputs.includes(name)))
  const changing = downstream(
    model,
    graph.input.map(({ name }) => name),
  )
  const read = new Set(graph.node.slice(at).flatMap((node) => reads(node)))
  return graph.node
    .slice(0, at)
    .flatMap((node) => node.output)
    .filter((name) => changing.has(name) && read.has(name))
}

/** Values that some initializers or inputs have a part in, those included. */
export function downstream(model: Model, changed: Iterable<string>): Set<string> {
  const reads = readsOf(model)
  const reached = new Set(changed)
  for (const node of model.graph.node) {
    if (reads(node).some((name) => reached.has(name))) for (const name of node.output) reached.add(name)
  }
  return reached
}

const PREFIX = 'pruned'

/**
 * Two nets in one graph: a model, and the same model with other values in some of its initializers. Only what those reach is
 * there twice.
 *
 * @returns the graph, and the name of a value in the second net
 */
export function beside(model: Model, values: Tensors): { model: Model; second: (name: string) => string } {
  const reached = downstream(model, values.keys())
  const node = model.graph.node.filter(({ output }) => output.some((name) => reached.has(name)))
  const reads = readsOf(model)
  const shared = new Set(node.flatMap((inner) => reads(inner)).filter((name) => !reached.has(name)))
  const changed = withInitializers(model, values)
  const part = copyOf(model, {
    graph: copyOf(model.graph, {
      node,
      initializer: changed.graph.initializer.filter(({ name }) => values.has(name)),
      sparseInitializer: [],
      input: [...shared].map(makeUntypedOutput),
      output: [],
      valueInfo: [],
    }),
  })
  const whole = copyOf(model, {
    opsetImport: [...model.opsetImport],
    functions: [...model.functions],
    graph: copyOf(model.graph, {
      node: [...model.graph.node],
      initializer: [...model.graph.initializer],
      sparseInitializer: [...model.graph.sparseInitializer],
      valueInfo: [],
    }),
  })
  const inputs = Object.fromEntries([...shared].map((name) => [name, name]))
  embed(whole, part, { prefix: PREFIX, inputs })
  return { model: whole, second: (name) => (reached.has(name) ? `${PREFIX}/${name}` : name) }
}

/**
 * Things of a model in the order in which they can be changed: each wave reads nothing that depends on the weights of later ones.
 *
 * @param of the initializer that a thing changes, and the value that it reads
 * @returns each wave, and all that still depends on it and on later ones
 */
export function* waves<Thing>(
  model: Model,
  things: readonly Thing[],
  of: (thing: Thing) => { readonly weight: string; readonly input: string },
): Generator<{ wave: Thing[]; waiting: ReadonlySet<string> }> {
  let pending = [...things]
  while (pending.length > 0) {
    const waiting = downstream(
      model,
      pending.map((thing) => of(thing).weight),
    )
    const wave = pending.filter((thing) => !waiting.has(of(thing).input))
    pending = pending.filter((thing) => waiting.has(of(thing).input))
    yield { wave, waiting }
  }
}
