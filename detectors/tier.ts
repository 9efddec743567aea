/**
 * A tier: a graph of its own for a detector that runs the protected model again, or a second one. It takes the protected
 * model's input and, as `hardpack.logits`, what that gave in the first pass, and gives one score a sample.
 */

import { HardpackError } from '../sdk/core/index.ts'
import {
  embed,
  Fragment,
  type Model,
  makeGraph,
  makeModel,
  makeValue,
  openBatch,
  opsetOf,
  signatureOf,
  type ValueInfoProto,
} from '../sdk/onnx/index.ts'
import { type ClassifierOutput, LEAST_PROBABILITY } from './class-probabilities.ts'
import { LOGITS_INPUT, SCORE_OUTPUT } from './tier-names.ts'

export { LOGITS_INPUT, SCORE_OUTPUT }

/** How an image lies in its tensor: [n, C, H, W] or [n, H, W, C]. */
export type Layout = 'nchw' | 'nhwc'

/** Which output of a model tells the class, and what it holds. */
export interface ClassOutput {
  /** The model's first output unless told. */
  readonly name?: string
  /** Probabilities when a Softmax makes the output, else logits, unless told. */
  readonly kind?: ClassifierOutput
}

/** How another model wants the input of the protected one: (x − mean) / std, by channel or one number for all. */
export interface Normalisation {
  readonly mean: readonly number[]
  readonly std: readonly number[]
}

const unsupported = (expected: string, got: string, hint?: string): never => {
  throw new HardpackError('UNSUPPORTED_MODEL', `${expected}, got ${got}.`, { hint })
}

const shapeText = (shape: readonly (number | string)[] | null): string =>
  shape ? `[${shape.join(', ')}]` : 'any shape'

/**
 * The one input of a model that a tier feeds.
 *
 * @param what names the model in errors
 * @throws HardpackError `UNSUPPORTED_MODEL` for another number of inputs, and for another type than float32.
 */
export function onlyInput(what: string, model: Model): { name: string; shape: readonly (number | string)[] } {
  const { inputs } = signatureOf(model)
  if (inputs.length !== 1) {
    unsupported(`${what} expected one input`, `${inputs.length}`, 'Leave this detector out of the guard.')
  }
  const [{ name, dtype, shape }] = inputs
  if (dtype !== 'float32') {
    unsupported(`${what} expected float32 as input "${name}"`, dtype, 'Leave this detector out of the guard.')
  }
  return { name, shape }
}

export interface Classes {
  readonly name: string
  readonly kind: ClassifierOutput
  readonly count: number
}

/**
 * The class output of a model.
 *
 * @throws HardpackError `INVALID_ARGUMENT` when there is no such output, `UNSUPPORTED_MODEL` when it is not float32
 *   [n, classes] with a fixed number of classes.
 */
export function classesOf(what: string, model: Model, output: ClassOutput = {}): Classes {
  const { outputs } = signatureOf(model)
  const found = output.name === undefined ? outputs[0] : outputs.find(({ name }) => name === output.name)
  if (!found) {
    throw new HardpackError(
      'INVALID_ARGUMENT',
      `${what} expected one of its outputs ${outputs.map(({ name }) => `"${name}"`).join(', ')}, got "${output.name}".`,
    )
  }
  const { name, dtype, shape } = found
  const count = shape?.length === 2 ? shape[1] : undefined
  if (dtype !== 'float32' || typeof count !== 'number' || count < 2) {
    throw new HardpackError(
      'UNSUPPORTED_MODEL',
      `${what} expected output "${name}" as float32 [n, classes], got ${dtype} ${shapeText(shape)}.`,
      { hint: 'Name the output that tells the class.' },
    )
  }
  const maker = model.graph.node.find((node) => node.output.includes(name))
  return { name, count, kind: output.kind ?? (maker?.opType === 'Softmax' ? 'probabilities' : 'logits') }
}

/** A tier under construction. */
export interface Tier {
  readonly fragment: Fragment
  readonly opset: number
  /** The input of the protected model. */
  readonly input: string
  /** Its shape, as the protected model declares it. */
  readonly shape: readonly (number | string)[]
  readonly classes: Classes
  /** Puts a model behind what the fragment has by now. */
  embed(model: Model, prefix: string, inputs: Record<string, string>, outputs: readonly string[]): string[]
  /** The finished graph: its one output is `score` [n], unless another is told. */
  finish(value: string, output?: ValueInfoProto): Model
}

/**
 * Begins a tier for a protected model.
 *
 * @param what names the detector in errors
 * @throws HardpackError what `onlyInput` and `classesOf` throw
 */
export function startTier(what: string, protectedModel: Model, output?: ClassOutput): Tier {
  const opset = opsetOf(protectedModel)
  const { name: input, shape } = onlyInput(`${what} of the protected model`, protectedModel)
  const classes = classesOf(`${what} of the protected model`, protectedModel, output)
  const opened = openBatch(protectedModel, 'n')
  const image = opened.graph.input.find(({ name }) => name === input)
  const graph = makeGraph('tier', {
    nodes: [],
    inputs: [...(image ? [image] : []), makeValue(LOGITS_INPUT, 'float32', ['n', classes.count])],
    outputs: [],
  })
  const model = makeModel(graph, {
    irVersion: Math.max(4, Number(protectedModel.irVersion)),
    opsets: { '': opset },
  })
  const fragment = new Fragment({ opset, prefix: 'hardpack' })
  const flush = (): void => {
    fragment.appendTo(graph)
    fragment.nodes.length = 0
    fragment.initializers.length = 0
  }
  return {
    fragment,
    opset,
    input,
    shape,
    classes,
    embed(inner, prefix, inputs, outputs) {
      flush()
      const names = embed(model, inner, { prefix, inputs, outputs })
      return outputs.map((name) => names[name])
    },
    finish(value, output = makeValue(SCORE_OUTPUT, 'float32', ['n'])) {
      fragment.node('Identity', [value], {}, output.name)
      flush()
      graph.output.push(output)
      return model
    },
  }
}

/** The smaller of two values, element by element. ONNX Runtime's WebGPU provider has no `Min` and no `Max`. */
export function minimumNodes(fragment: Fragment, a: string, b: string): string {
  return fragment.node('Where', [fragment.node('Less', [a, b]), a, b])
}

/** The larger of two values, element by element. */
export function maximumNodes(fragment: Fragment, a: string, b: string): string {
  return fragment.node('Where', [fragment.node('Less', [a, b]), b, a])
}

/** Natural logarithms of class probabilities over the last axis of [rows, classes]. */
export function logProbabilityNodes(fragment: Fragment, outputs: string, kind: ClassifierOutput): string {
  if (kind === 'probabilities') {
    return fragment.node('Log', [fragment.clip(outputs, LEAST_PROBABILITY, 1)])
  }
  const shifted = fragment.node('Sub', [outputs, fragment.reduce('ReduceMax', outputs, [1], true)])
  const sum = fragment.reduce('ReduceSum', fragment.node('Exp', [shifted]), [1], true)
  return fragment.node('Sub', [shifted, fragment.node('Log', [sum])])
}

/** 1 at the label of each sample and 0 elsewhere, float32 [rows, classes]: the first of the largest outputs. */
export function oneHotNodes(fragment: Fragment, outputs: string, classes: number): string {
  const label = fragment.cast(fragment.node('ArgMax', [outputs], { axis: 1, keepdims: 1 }), 'int32')
  const each = fragment.constant({
    dtype: 'int32',
    shape: [1, classes],
    data: Int32Array.from({ length: classes }, (_, i) => i),
  })
  return fragment.cast(fragment.node('Equal', [label, each]), 'float32')
}

/** Jeffreys' divergence in nats of log-probabilities over their last axis `axis`; both broadcast against each other. */
export function jeffreysNodes(fragment: Fragment, logP: string, logQ: string, axis: number): string {
  const difference = fragment.node('Sub', [fragment.node('Exp', [logP]), fragment.node('Exp', [logQ])])
  const logs = fragment.node('Sub', [logP, logQ])
  return fragment.reduce('ReduceSum', fragment.node('Mul', [difference, logs]), [axis])
}

/** (x − mean) / std, by channel. */
export function normaliseNodes(
  fragment: Fragment,
  image: string,
  normalisation: Normalisation | undefined,
  rank: number,
  layout: Layout,
): string {
  if (!normalisation) return image
  const { mean, std } = normalisation
  const bad = mean.length !== std.length || mean.length === 0 || std.some((value) => !(value > 0))
  if (bad || !mean.every(Number.isFinite)) {
    throw new HardpackError(
      'INVALID_ARGUMENT',
      `A normalisation expected as many means as positive standard deviations, got [${mean}] and [${std}].`,
    )
  }
  const shape = layout === 'nhwc' ? [mean.length] : [mean.length, ...Array<number>(Math.max(0, rank - 2)).fill(1)]
  return fragment.node('Div', [
    fragment.node('Sub', [image, fragment.floats(mean, shape)]),
    fragment.floats(std, shape),
  ])
}

/** Height, width and channels of an image input. */
export interface ImageShape {
  readonly height: number
  readonly width: number
  readonly channels: number
}

/**
 * The image shape of a tier's input.
 *
 * @throws HardpackError `UNSUPPORTED_MODEL` for an input that is not an image of a fixed size.
 */
export function imageShape(what: string, { input, shape }: Tier, layout: Layout): ImageShape {
  const [, a, b, c] = shape
  if (shape.length !== 4 || typeof a !== 'number' || typeof b !== 'number' || typeof c !== 'number') {
    throw new HardpackError(
      'UNSUPPORTED_MODEL',
      `${what} expected images of a fixed size as input "${input}", got ${shapeText(shape)}.`,
      { hint: 'Export the model with a fixed height and width.' },
    )
  }
  return layout === 'nchw' ? { channels: a, height: b, width: c } : { height: a, width: b, channels: c }
}
