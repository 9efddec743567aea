/**
 * One model inside another: the nodes and weights of a model become part of another model's graph, and read values of
 * it in place of inputs. So a detector runs the protected model once more, or a second one, on what it made of the input.
 * Payloads are shared, never copied: the same weights in two models stay the same bytes, which a package stores once.
 */

import { equal, HardpackError } from '../core/index.ts'
import { feedsOf } from './graph.ts'
import type { Model } from './model.ts'
import {
  type AttributeProto,
  create,
  type FunctionProto,
  type GraphProto,
  type NodeProto,
  type TensorProto,
  typeOf,
  type ValueInfoProto,
} from './proto.ts'

export interface EmbedOptions {
  /** What all names of the embedded model begin with, followed by a slash; different for each embedding. */
  readonly prefix: string
  /** The value of the outer graph that each input of the embedded model reads. */
  readonly inputs: Readonly<Record<string, string>>
  /** Values of the embedded model's main graph that are wanted: its outputs unless told. */
  readonly outputs?: readonly string[]
}

/** The new name of a value. */
type Rename = (name: string) => string

/** From this IR version on, an initializer need not be an input. */
const FREE_INITIALIZERS_IR = 4

const domainOf = (domain: string): string => (domain === 'ai.onnx' ? '' : domain)

/** A shallow copy: payloads and fields that the schema does not know stay shared. */
const copy = <Message extends object>(message: Message, changes: Partial<Message>): Message =>
  Object.assign(Object.create(Object.getPrototypeOf(message)), message, changes)

const bytesOfFunction = (message: FunctionProto): Uint8Array => typeOf('FunctionProto').encode(message).finish()

const sameFunction = (a: FunctionProto, b: FunctionProto): boolean =>
  a === b || equal(bytesOfFunction(a), bytesOfFunction(b))

function renameTensor(tensor: TensorProto, rename: Rename): TensorProto {
  return copy(tensor, { name: rename(tensor.name) })
}

const renameValue = (value: ValueInfoProto, rename: Rename): ValueInfoProto => copy(value, { name: rename(value.name) })

/** A body of `If`, `Loop` or `Scan`. Its own values get the prefix, those of the graphs around it their names there. */
function renameBody(body: GraphProto, outer: Rename, prefixed: Rename): GraphProto {
  const own = new Set([
    ...body.input.map(({ name }) => name),
    ...body.initializer.map(({ name }) => name),
    ...body.sparseInitializer.map(({ values }) => values?.name ?? ''),
    ...body.node.flatMap(({ output }) => output),
  ])
  const rename: Rename = (name) => (own.has(name) ? prefixed(name) : outer(name))
  return copy(body, {
    ...renameContents(body, rename, prefixed),
    input: body.input.map((value) => renameValue(value, rename)),
    output: body.output.map((value) => renameValue(value, rename)),
    valueInfo: [],
  })
}

function renameAttribute(attribute: AttributeProto, rename: Rename, prefixed: Rename): AttributeProto {
  if (!attribute.g && attribute.graphs.length === 0) return attribute
  return copy(attribute, {
    ...(attribute.g ? { g: renameBody(attribute.g, rename, prefixed) } : {}),
    graphs: attribute.graphs.map((body) => renameBody(body, rename, prefixed)),
  })
}

function renameNode(node: NodeProto, rename: Rename, prefixed: Rename): NodeProto {
  return copy(node, {
    name: prefixed(node.name),
    input: node.input.map(rename),
    output: node.output.map(rename),
    attribute: node.attribute.map((attribute) => renameAttribute(attribute, rename, prefixed)),
  })
}

function renameContents(
  graph: GraphProto,
  rename: Rename,
  prefixed: Rename,
): Pick<GraphProto, 'node' | 'initializer' | 'sparseInitializer'> {
  return {
    node: graph.node.map((node) => renameNode(node, rename, prefixed)),
    initializer: graph.initializer.map((tensor) => renameTensor(tensor, rename)),
    sparseInitializer: graph.sparseInitializer.map((sparse) =>
      copy(sparse, { values: sparse.values && renameTensor(sparse.values, rename) }),
    ),
  }
}

function mergeOpsets(into: Model, model: Model): void {
  for (const { domain, version } of model.opsetImport) {
    const there = into.opsetImport.find((opset) => domainOf(opset.domain) === domainOf(domain))
    if (!there) {
      into.opsetImport.push(create('OperatorSetIdProto', { domain, version }))
    } else if (Number(there.version) !== Number(version)) {
      throw new HardpackError(
        'UNSUPPORTED_MODEL',
        `A model inside another expected ${domainOf(domain) || 'ai.onnx'} ${there.version}, got ${version}.`,
        { hint: 'Export both models with the same opset.' },
      )
    }
  }
}

function mergeFunctions(into: Model, model: Model): void {
  for (const added of model.functions) {
    const there = into.functions.find(({ name, domain }) => name === added.name && domain === added.domain)
    if (!there) {
      into.functions.push(added)
    } else if (!sameFunction(there, added)) {
      throw new HardpackError(
        'UNSUPPORTED_MODEL',
        `Two models expected the same function "${added.domain}:${added.name}", got different ones.`,
        { hint: 'Rename the function in one of them, or export without functions.' },
      )
    }
  }
}

/**
 * Puts a model's graph behind the nodes of another. Every value gets the prefix, in subgraphs too. Value infos are left
 * out, because the batch may be another.
 *
 * @param into is changed: nodes, initializers, functions, opset imports
 * @returns the name in the outer graph of each output asked for
 * @throws HardpackError `UNSUPPORTED_MODEL` when the models import different versions of an operator set or have
 *   different functions of one name; `INVALID_ARGUMENT` for an input without a value, and for names that the model does
 *   not have.
 * @example
 * const { logits } = embed(tier, second, { prefix: 'second', inputs: { image: 'image' } })
 */
export function embed(into: Model, model: Model, { prefix, inputs, outputs }: EmbedOptions): Record<string, string> {
  const { graph } = model
  const wanted = outputs ?? graph.output.map(({ name }) => name)
  const produced = new Set([
    ...graph.input.map(({ name }) => name),
    ...graph.initializer.map(({ name }) => name),
    ...graph.node.flatMap(({ output }) => output),
  ])
  const refuse = (expected: string, got: string): never => {
    throw new HardpackError('INVALID_ARGUMENT', `A model inside another expected ${expected}, got ${got}.`)
  }
  for (const { name } of feedsOf(graph)) {
    if (!Object.hasOwn(inputs, name)) refuse(`a value for its input "${name}"`, 'none')
  }
  for (const name of Object.keys(inputs)) {
    if (!graph.input.some((input) => input.name === name)) {
      refuse(`inputs out of ${graph.input.map((input) => `"${input.name}"`).join(', ')}`, `"${name}"`)
    }
  }
  for (const name of wanted) if (!produced.has(name)) refuse('outputs that its graph makes', `"${name}"`)
  mergeOpsets(into, model)
  mergeFunctions(into, model)
  const prefixed: Rename = (name) => (name === '' ? '' : `${prefix}/${name}`)
  const rename: Rename = (name) => (Object.hasOwn(inputs, name) ? inputs[name] : prefixed(name))
  const kept = copy(graph, { initializer: graph.initializer.filter(({ name }) => !Object.hasOwn(inputs, name)) })
  const { node, initializer, sparseInitializer } = renameContents(kept, rename, prefixed)
  into.graph.node.push(...node)
  into.graph.initializer.push(...initializer)
  into.graph.sparseInitializer.push(...sparseInitializer)
  into.irVersion = Math.max(Number(into.irVersion), Number(model.irVersion), FREE_INITIALIZERS_IR)
  return Object.fromEntries(wanted.map((name) => [name, rename(name)]))
}

/** The value with a symbol as its first dimension, where that is a fixed 1. */
function openValue(value: ValueInfoProto, symbol: string): ValueInfoProto {
  const tensorType = value.type?.tensorType
  const [first, ...rest] = tensorType?.shape?.dim ?? []
  if (!value.type || !tensorType?.shape || first?.value !== 'dimValue' || Number(first.dimValue) !== 1) return value
  const dim = [create('TensorShapeProto.Dimension', { dimParam: symbol }), ...rest]
  return copy(value, {
    type: copy(value.type, { tensorType: copy(tensorType, { shape: copy(tensorType.shape, { dim }) }) }),
  })
}

/**
 * The same model for batches of any size: the first dimension of inputs and outputs becomes a symbol where it is a fixed
 * 1. Whether the nodes take a batch (a `Reshape` to a fixed shape does not) shows only when it runs. Nodes and weights
 * are shared with the model given.
 *
 * @example
 * openBatch(model, 'n') // input [1, 3, 224, 224] is now [n, 3, 224, 224]
 */
export function openBatch(model: Model, symbol: string): Model {
  const given = new Set(feedsOf(model.graph))
  const input = model.graph.input.map((value) => (given.has(value) ? openValue(value, symbol) : value))
  const output = model.graph.output.map((value) => openValue(value, symbol))
  // Value infos would still say 1.
  return copy(model, { graph: copy(model.graph, { input, output, valueInfo: [] }) })
}
