/**
 * What an attack may ask: the answers of a model for a batch of inputs and, where the attacker has them, gradients. Attacks
 * work on any oracle: a session of any target, a server, a function of a test.
 */

import { elementCount, HardpackError, type Tensor } from '../../sdk/core/index.ts'

/** Inputs of a model, one behind the other. */
export interface Batch {
  /** The shape of one input, without the batch: `[3, 224, 224]`. */
  readonly shape: readonly number[]
  /** Inputs × elements of one. */
  readonly data: Float32Array
}

/** What a model gives for a batch, or the cotangent of that. */
export interface Answers {
  /** Inputs × classes. */
  readonly logits: Float32Array
  /** The score of a guard, one an input; higher is more abnormal. Absent for a model without a guard. */
  readonly score?: Float32Array
}

export interface Oracle {
  readonly classes: number
  answers(batch: Batch): Promise<Answers>
  /**
   * Σ cotangentᵀ · ∂answers/∂input, of the shape of the batch: the cotangent (the derivative of a loss by the answers) is
   * the attack's, the chain to the input the oracle's. Absent where only answers can be had.
   */
  gradient?(batch: Batch, cotangent: Answers): Promise<Float32Array>
}

export type Run = (feeds: Readonly<Record<string, Tensor>>) => Promise<Readonly<Record<string, Tensor>>>

export interface GraphOracleOptions {
  /** Runs the model. */
  readonly forward: Run
  /** Runs its gradient, as `inputGradient` of sdk/onnx builds it for the list of the outputs below. */
  readonly backward?: Run
  readonly input: string
  readonly logits: string
  /** The output with the score of the guard. */
  readonly score?: string
  readonly classes: number
}

/**
 * An oracle of ONNX graphs: a model, and where there is one its gradient.
 *
 * @throws HardpackError `INVALID_INPUT`, at a call, when the logits are not inputs × classes
 * @example
 * const model = inputGradient(guarded, { input: 'image', output: ['logits', 'score'] })
 * const { run: backward } = await target.create({ model: writeModel(model) })
 * graphOracle({ forward: session.run, backward, input: 'image', logits: 'logits', score: 'score', classes: 10 })
 */
export function graphOracle({ forward, backward, input, logits, score, classes }: GraphOracleOptions): Oracle {
  const tensor = (shape: readonly number[], data: Float32Array): Tensor => ({ dtype: 'float32', shape, data })
  const feedsOf = ({ shape, data }: Batch): Record<string, Tensor> => ({
    [input]: tensor([countOf({ shape, data }), ...shape], data),
  })
  const answersOf = (outputs: Readonly<Record<string, Tensor>>, count: number): Answers => {
    const row = outputs[logits]?.data
    if (!(row instanceof Float32Array) || row.length !== count * classes) {
      throw new HardpackError(
        'INVALID_INPUT',
        `An attack expected the output "${logits}" to hold ${count} × ${classes} float32, got ${row?.length ?? 'none'}.`,
      )
    }
    return score === undefined ? { logits: row } : { logits: row, score: outputs[score].data as Float32Array }
  }
  const answers = async (batch: Batch): Promise<Answers> => answersOf(await forward(feedsOf(batch)), countOf(batch))
  if (!backward) return { classes, answers }
  return {
    classes,
    answers,
    gradient: async (batch, cotangent) => {
      const count = countOf(batch)
      const feeds = feedsOf(batch)
      feeds[`hardpack.seed.${logits}`] = tensor([count, classes], cotangent.logits)
      if (score !== undefined) {
        feeds[`hardpack.seed.${score}`] = tensor([count], cotangent.score ?? new Float32Array(count))
      }
      return (await backward(feeds))['hardpack.gradient'].data as Float32Array
    },
  }
}

/** How many inputs a batch holds. */
export function countOf({ shape, data }: Batch): number {
  return data.length / elementCount(shape)
}
