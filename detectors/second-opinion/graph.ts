/** Second opinion as a tier: one pass of the second model. See `score.ts`. */

import { HardpackError } from '../../sdk/core/index.ts'
import type { Model } from '../../sdk/onnx/index.ts'
import {
  type ClassOutput,
  classesOf,
  jeffreysNodes,
  type Layout,
  LOGITS_INPUT,
  logProbabilityNodes,
  type Normalisation,
  normaliseNodes,
  oneHotNodes,
  onlyInput,
  startTier,
} from '../tier.ts'
import type { SecondOpinionRule } from './score.ts'

export interface SecondOpinionOptions {
  /** An independent model for the same classes and the same input shape. The name of its input does not matter. */
  readonly second: Model
  readonly rule?: SecondOpinionRule
  /** The class output of the protected model. */
  readonly output?: ClassOutput
  /** The class output of the second model. */
  readonly secondOutput?: ClassOutput
  /** Where the second model wants the protected model's input normalised further. */
  readonly normalisation?: Normalisation
  /** Where the channels are that `normalisation` speaks of; `nchw` unless told. */
  readonly layout?: Layout
}

/**
 * The tier: inputs are the protected model's and `hardpack.logits` [n, classes], its output is `score` [n], in bits.
 *
 * @throws HardpackError `UNSUPPORTED_MODEL` when the models differ in input shape, classes or opset, or have several
 *   inputs; `INVALID_ARGUMENT` for an output that does not exist.
 * @example
 * const tier = secondOpinionGraph(readModel(bytes), { second: readModel(small) })
 */
export function secondOpinionGraph(model: Model, options: SecondOpinionOptions): Model {
  const { second, rule = 'divergence', output, secondOutput, normalisation, layout = 'nchw' } = options
  const tier = startTier('A second opinion', model, output)
  const { fragment, classes } = tier
  const input = onlyInput('The second model', second)
  const other = classesOf('The second model', second, secondOutput)
  const fits =
    input.shape.length === tier.shape.length &&
    input.shape.every((size, axis) => fitsSize(size, tier.shape[axis], axis))
  if (!fits || other.count !== classes.count) {
    throw new HardpackError(
      'UNSUPPORTED_MODEL',
      `The second model expected input [${tier.shape}] and ${classes.count} classes, got [${input.shape}] and ${other.count}.`,
      { hint: 'Take a second model for the same images and classes.' },
    )
  }
  const image = normaliseNodes(fragment, tier.input, normalisation, tier.shape.length, layout)
  const [outputs] = tier.embed(second, 'second', { [input.name]: image }, [other.name])
  const logQ = logProbabilityNodes(fragment, outputs, other.kind)
  const divergence = (): string =>
    jeffreysNodes(fragment, logProbabilityNodes(fragment, LOGITS_INPUT, classes.kind), logQ, 1)
  const surprise = (): string => {
    const chosen = fragment.node('Mul', [oneHotNodes(fragment, LOGITS_INPUT, classes.count), logQ])
    return fragment.node('Neg', [fragment.reduce('ReduceSum', chosen, [1])])
  }
  const nats = (): string => {
    if (rule === 'divergence') return divergence()
    return rule === 'label' ? surprise() : fragment.node('Add', [surprise(), divergence()])
  }
  return tier.finish(fragment.node('Mul', [nats(), fragment.scalar(1 / Math.LN2)]))
}

/** Symbols fit anything, and so does the batch. */
function fitsSize(a: number | string, b: number | string, axis: number): boolean {
  return axis === 0 || typeof a === 'string' || typeof b === 'string' || a === b
}
