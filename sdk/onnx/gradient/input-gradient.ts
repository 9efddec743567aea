/**
 * Reverse-mode differentiation of a graph with respect to one of its inputs, as a graph: behind the forward nodes come
 * those of the vector-Jacobian product, one small rule an operator. An attack feeds the derivative of its loss by the
 * output as the seed, and reads the derivative by the input.
 *
 * No shape has to be known beforehand, so batches may be of any size; a model of an older opset becomes one of opset 17.
 */

import { type DType, HardpackError, onnxOf } from '../../core/index.ts'
import { Fragment, opsetOf } from '../fragment.ts'
import { feedsOf, indexGraph } from '../graph.ts'
import type { Model } from '../model.ts'
import { create, type GraphProto, type NodeProto, type TypeProto, type ValueInfoProto } from '../proto.ts'
import { ACTIVATIONS } from './activations.ts'
import { CONVOLUTION } from './convolution.ts'
import { ELEMENTWISE } from './elementwise.ts'
import { INDEXING } from './indexing.ts'
import { LINEAR } from './linear.ts'
import { NORMALISATION } from './normalisation.ts'
import { modernise } from './opset.ts'
import { POOLING } from './pooling.ts'
import { QUANTISATION } from './quantisation.ts'
import { REDUCTIONS } from './reductions.ts'
import { SHAPE } from './shape.ts'
import { noRule, type Rules, Site } from './site.ts'
import { isFloat, type TypeOf, typesOf } from './types.ts'

/** The input of the gradient graph that takes the cotangent of the output. */
export const SEED = 'hardpack.seed'
/** The output of the gradient graph that holds the gradient of the input. */
export const GRADIENT = 'hardpack.gradient'

const RULES: Rules = {
  ...ACTIVATIONS,
  ...CONVOLUTION,
  ...ELEMENTWISE,
  ...INDEXING,
  ...LINEAR,
  ...NORMALISATION,
  ...POOLING,
  ...QUANTISATION,
  ...REDUCTIONS,
  ...SHAPE,
}

/** Operators whose output does not change with small changes of a floating point input. */
const FLAT: ReadonlySet<string> = new Set(['Sign', 'Shape', 'Size'])

/** Integers that stand for real numbers, once `QuantizeLinear` made them. */
const QUANTISED: ReadonlySet<DType> = new Set<DType>(['int8', 'uint8'])

/** The least that opset 17 asks for. */
const IR_VERSION = 8

/** The operators of ai.onnx that have a rule, in alphabetical order. */
export const DIFFERENTIABLE: readonly string[] = Object.keys(RULES).sort()

export interface GradientOptions {
  /** The input by which to differentiate. */
  readonly input: string
  /** The output, or any other value of the main graph, to differentiate; a list for a sum of several. */
  readonly output: string | readonly string[]
}

/** The name of the seed of one of several outputs. */
export const seedOf = (output: string): string => `${SEED}.${output}`

const isStandard = (domain: string): boolean => domain === '' || domain === 'ai.onnx'

/** Values that change with the input, and have a gradient therefore. */
function activeValues(graph: GraphProto, input: string, typeOf: TypeOf): Set<string> {
  const { subgraphs } = indexGraph(graph)
  const active = new Set([input])
  for (const node of graph.node) {
    const captured = subgraphs.filter(({ owner }) => owner === node).flatMap((inner) => [...inner.captured])
    const read = [...node.input, ...captured]
    if (FLAT.has(node.opType) || !read.some((name) => active.has(name))) continue
    for (const output of node.output) {
      const dtype = typeOf(output)
      if (dtype === undefined || isFloat(dtype) || (QUANTISED.has(dtype) && node.opType !== 'Cast')) active.add(output)
    }
  }
  return active
}

/** What a value of the graph is as an output: as the graph says, or else its element type alone. */
function describe(graph: GraphProto, name: string, typeOf: TypeOf): TypeProto | null {
  const known = [...graph.output, ...graph.valueInfo].find((value) => value.name === name)
  if (known?.type) return known.type
  const tensorType = create('TypeProto.Tensor', { elemType: onnxOf(typeOf(name) ?? 'float32') })
  return create('TypeProto', { tensorType })
}

function independent(output: string, input: string): HardpackError {
  return new HardpackError(
    'INVALID_ARGUMENT',
    `The gradient expected an output that depends smoothly on the input "${input}", got "${output}".`,
    { hint: 'Give the logits or a score, not a label.' },
  )
}

function withoutRule({ domain, opType, output }: NodeProto): HardpackError {
  const operator = isStandard(domain) ? opType : `${domain}.${opType}`
  return noRule(
    `The gradient expected operators that it can differentiate, got ${operator} (which makes "${output[0]}").`,
  )
}

function unknown(role: string, name: string, known: readonly string[]): HardpackError {
  return new HardpackError('INVALID_ARGUMENT', `The gradient expected an ${role} of the model, got "${name}".`, {
    hint: `Give one of: ${known.join(', ')}.`,
  })
}

/**
 * A model that differentiates another: the same inputs and the seed of each output (`hardpack.seed`; for a list of outputs
 * `hardpack.seed.<output>`), of the outputs' shapes; its outputs are those outputs, and `hardpack.gradient` of the input's
 * shape: Σ seedᵀ · ∂output/∂input.
 *
 * Where a function has a kink the gradient is that of one side; equal maxima of `Max` and `ReduceMax` share it. Roundings
 * (`Round`, `Floor`, `Ceil`, and `QuantizeLinear` within its range) pass it straight through, since their true derivative, zero,
 * would only hide a model from an attack (Athalye, Carlini, Wagner 2018).
 *
 * @throws HardpackError `INVALID_ARGUMENT` for an input or output that the model does not have, or an output that does not
 *   depend on the input; `UNSUPPORTED_MODEL` for an operator on the way without a rule, naming it.
 * @example
 * const gradient = inputGradient(readModel(bytes), { input: 'image', output: 'logits' })
 * await runOrt(writeModel(gradient), { image, 'hardpack.seed': cotangent }) // { logits, 'hardpack.gradient' }
 */
export function inputGradient(model: Model, { input, output }: GradientOptions): Model {
  const { graph } = model
  const opset = opsetOf(model)
  const feeds = feedsOf(graph)
  const source = feeds.find(({ name }) => name === input)
  if (!source)
    throw unknown(
      'input',
      input,
      feeds.map(({ name }) => name),
    )
  const forward = modernise(graph, opset, typesOf(graph))
  const whole = { ...graph, node: forward.nodes, initializer: [...graph.initializer, ...forward.initializers] }
  const typeOf = typesOf(whole)
  if (!isFloat(typeOf(input))) {
    throw new HardpackError(
      'INVALID_ARGUMENT',
      `The gradient expected an input of floating point numbers, got "${input}" of ${typeOf(input)}.`,
      { hint: 'Differentiate by the first floating point value behind it.' },
    )
  }
  const seeds = new Map(typeof output === 'string' ? [[output, SEED]] : output.map((name) => [name, seedOf(name)]))
  const active = activeValues(whole, input, typeOf)
  for (const name of seeds.keys()) {
    const made = forward.nodes.some((node) => node.output.includes(name))
    if (!made)
      throw unknown(
        'output',
        name,
        graph.output.map((value) => value.name),
      )
    if (!active.has(name)) throw independent(name, input)
  }
  const backward = new Fragment({ opset: forward.opset, prefix: GRADIENT })
  const gradient = backpropagate(whole, { backward, seeds, active, typeOf }, input)
  if (gradient === undefined) throw independent([...seeds.keys()].join('", "'), input)
  backward.node('Identity', [gradient], {}, GRADIENT)

  const read = new Set(backward.nodes.flatMap((node) => node.input))
  const value = (name: string, type: TypeProto | null): ValueInfoProto => create('ValueInfoProto', { name, type })
  const outputs = [...seeds].map(([name, seed]) => ({ name, seed, type: describe(graph, name, typeOf) }))
  const differentiated = create('GraphProto', {
    ...graph,
    node: [...forward.nodes, ...backward.nodes],
    // Runtimes warn of constants that nobody reads.
    initializer: [...whole.initializer, ...backward.initializers.filter(({ name }) => read.has(name))],
    input: [...graph.input, ...outputs.map(({ seed, type }) => value(seed, type))],
    output: [...outputs.map(({ name, type }) => value(name, type)), value(GRADIENT, source.type)],
  })
  const others = model.opsetImport.filter(({ domain }) => domain !== '' && domain !== 'ai.onnx')
  return create('ModelProto', {
    ...model,
    irVersion: Math.max(Number(model.irVersion), IR_VERSION),
    opsetImport: [create('OperatorSetIdProto', { domain: '', version: forward.opset }), ...others],
    graph: differentiated,
  })
}

interface Pass {
  readonly backward: Fragment
  /** The name of the seed of each output. */
  readonly seeds: ReadonlyMap<string, string>
  readonly active: ReadonlySet<string>
  readonly typeOf: TypeOf
}

/** Appends the nodes of the backward pass; gives the gradient of the input, where anything leads to it. */
function backpropagate(graph: GraphProto, { backward, seeds, active, typeOf }: Pass, input: string) {
  const { constants } = indexGraph(graph)
  const contributions = new Map([...seeds].map(([name, seed]) => [name, [seed]]))
  const gradientOf = (value: string): string | undefined => {
    const parts = contributions.get(value) ?? []
    if (parts.length > 1) parts.splice(0, parts.length, backward.node('Sum', parts))
    return parts[0]
  }
  for (const node of graph.node.toReversed()) {
    if (!node.output.some((name) => active.has(name))) continue
    const gradients = node.output.map(gradientOf)
    if (gradients.every((gradient) => gradient === undefined)) continue
    const rule = isStandard(node.domain) ? RULES[node.opType] : undefined
    if (!rule) throw withoutRule(node)
    const site = new Site({ node, fragment: backward, gradients, active, typeOf, constants })
    const given = rule(site)
    for (const i of node.input.keys()) {
      const gradient = given[i]
      if (!site.wants(i)) continue
      if (gradient === undefined) throw site.unsupported(`input ${i} not to depend on the input of the model`)
      const parts = contributions.get(node.input[i])
      if (parts) parts.push(gradient)
      else contributions.set(node.input[i], [gradient])
    }
  }
  return gradientOf(input)
}
