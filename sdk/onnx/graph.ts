/**
 * A graph as a network: who makes a value, who reads it, which values are constant; for the main graph and, through
 * `subgraphs`, for the bodies of `If`, `Loop` and `Scan`, which may read the values of the graphs around them.
 */

import type { AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto } from './proto.ts'

export interface GraphIndex {
  readonly graph: GraphProto
  /** The node whose body this graph is; none for the main graph. */
  readonly owner: NodeProto | undefined
  /** The node that makes a value. None makes inputs and initializers. */
  readonly producers: ReadonlyMap<string, NodeProto>
  /** The nodes that read a value, themselves or in their subgraphs. */
  readonly consumers: ReadonlyMap<string, readonly NodeProto[]>
  /** Constant tensors by value name: initializers, and the values of `Constant` nodes. */
  readonly constants: ReadonlyMap<string, TensorProto>
  /** Values of the graphs around it that it reads. */
  readonly captured: ReadonlySet<string>
  readonly subgraphs: readonly GraphIndex[]
}

const graphsOfAttribute = ({ g, graphs }: AttributeProto): readonly GraphProto[] => (g ? [g, ...graphs] : graphs)

/**
 * Indexes a graph and its subgraphs. The index does not follow later edits: make a new one.
 *
 * @example
 * const { producers, consumers } = indexGraph(model.graph)
 * consumers.get('logits') ?? [] // nodes behind the logits
 */
export function indexGraph(graph: GraphProto, owner?: NodeProto): GraphIndex {
  const producers = new Map<string, NodeProto>()
  const consumers = new Map<string, NodeProto[]>()
  const constants = new Map(graph.initializer.map((tensor) => [tensor.name, tensor]))
  for (const { values } of graph.sparseInitializer) if (values) constants.set(values.name, values)
  const subgraphs: GraphIndex[] = []
  for (const node of graph.node) {
    const inner = node.attribute.flatMap(graphsOfAttribute).map((subgraph) => indexGraph(subgraph, node))
    subgraphs.push(...inner)
    for (const name of new Set([...node.input, ...inner.flatMap(({ captured }) => [...captured])])) {
      if (name === '') continue
      const readers = consumers.get(name)
      if (readers) readers.push(node)
      else consumers.set(name, [node])
    }
    for (const name of node.output) if (name !== '') producers.set(name, node)
    const value = node.opType === 'Constant' ? node.attribute.find(({ name }) => name === 'value')?.t : undefined
    if (value && node.output[0]) constants.set(node.output[0], value)
  }
  const inputs = new Set(graph.input.map(({ name }) => name))
  const read = [...consumers.keys(), ...graph.output.map(({ name }) => name)]
  const captured = new Set(read.filter((name) => !producers.has(name) && !constants.has(name) && !inputs.has(name)))
  return { graph, owner, producers, consumers, constants, captured, subgraphs }
}

/** The inputs that a caller must feed: those that no initializer gives. */
export function feedsOf(graph: GraphProto): ValueInfoProto[] {
  const given = new Set(graph.initializer.map(({ name }) => name))
  for (const { values } of graph.sparseInitializer) if (values) given.add(values.name)
  return graph.input.filter(({ name }) => !given.has(name))
}

function* tensorsOfAttribute(attribute: AttributeProto): Generator<TensorProto> {
  if (attribute.t) yield attribute.t
  yield* attribute.tensors
  for (const sparse of [attribute.sparseTensor, ...attribute.sparseTensors]) {
    if (sparse?.values) yield sparse.values
    if (sparse?.indices) yield sparse.indices
  }
  for (const graph of graphsOfAttribute(attribute)) yield* tensorsOfGraph(graph)
}

function* tensorsOfGraph(graph: GraphProto): Generator<TensorProto> {
  yield* graph.initializer
  for (const { values, indices } of graph.sparseInitializer) {
    if (values) yield values
    if (indices) yield indices
  }
  for (const node of graph.node) for (const attribute of node.attribute) yield* tensorsOfAttribute(attribute)
}

/**
 * Every tensor that a model holds, at any depth: initializers, sparse ones, attributes, in subgraphs, functions and
 * training graphs.
 */
export function* tensorsOf(model: ModelProto): Generator<TensorProto> {
  yield* tensorsOfGraph(model.graph)
  for (const { attributeProto, node } of model.functions) {
    for (const attribute of [...attributeProto, ...node.flatMap((inner) => inner.attribute)]) {
      yield* tensorsOfAttribute(attribute)
    }
  }
  for (const { initialization, algorithm } of model.trainingInfo) {
    if (initialization) yield* tensorsOfGraph(initialization)
    if (algorithm) yield* tensorsOfGraph(algorithm)
  }
}
