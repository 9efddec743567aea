/**
 * What all attacks share: the check of what they are given, batches of a size that a runtime likes, the count of queries,
 * and the result.
 */

import { type CallOptions, elementCount, HardpackError, throwIfAborted } from '../../sdk/core/index.ts'
import { largest, type Objective, rowOf } from './objective.ts'
import { type Answers, type Batch, countOf, type Oracle } from './oracle.ts'

export interface AttackOptions extends CallOptions {
  /** The least and the greatest value that an element of an input can have. */
  readonly range: { readonly min: number; readonly max: number }
  readonly seed?: number
  /** How many inputs go to the oracle at once: 128 unless told; 1 for a model with a fixed batch. */
  readonly batchSize?: number
}

/** Attacks within a ball of the L∞ norm. */
export interface BoundedOptions extends AttackOptions {
  /** The largest change of an element, in units of the input. */
  readonly epsilon: number
}

export interface AttackResult {
  /** The inputs, changed. */
  readonly adversarial: Batch
  /** 1 where the attack reached its aim: unless told, another label than the one given. */
  readonly success: Uint8Array
  /** What the model answers to the changed inputs. */
  readonly answers: Answers
  /** The L2 norm of each change. */
  readonly l2: Float64Array
  /** How many times each input was shown to the oracle, gradients included. */
  readonly queries: Uint32Array
}

const refuse = (expected: string, got: string, hint?: string): never => {
  throw new HardpackError('INVALID_ARGUMENT', `An attack expected ${expected}, got ${got}.`, { hint })
}

/** Checks a number of steps, samples or the like. */
export function checkCount(name: string, value: number, least = 1): void {
  if (!(Number.isSafeInteger(value) && value >= least)) refuse(`${name} as an integer from ${least} up`, `${value}`)
}

/** Checks a size or rate. */
export function checkPositive(name: string, value: number): void {
  if (!(Number.isFinite(value) && value > 0)) refuse(`${name} above 0`, `${value}`)
}

/** One attack under way. */
export class Campaign {
  readonly images: Batch
  readonly labels: ArrayLike<number>
  readonly count: number
  /** Elements of one input. */
  readonly size: number
  readonly classes: number
  readonly min: number
  readonly max: number
  readonly seed: number
  readonly batchSize: number
  readonly queries: Uint32Array
  readonly #oracle: Oracle
  readonly #objective: Objective
  readonly #name: string
  readonly #calls: CallOptions

  /** @throws HardpackError `INVALID_ARGUMENT` for inputs, labels or options that are not what they should be. */
  constructor(
    name: string,
    oracle: Oracle,
    images: Batch,
    labels: ArrayLike<number>,
    objective: Objective,
    { range, seed = 0, batchSize = 128, signal, onProgress }: AttackOptions,
  ) {
    const { min, max } = range
    if (!(Number.isFinite(min) && Number.isFinite(max) && min < max))
      refuse('a range of two numbers', `${min} to ${max}`)
    checkCount('a batch size', batchSize)
    const count = countOf(images)
    if (!(Number.isSafeInteger(count) && count > 0)) {
      refuse(`whole inputs of shape [${images.shape.join(', ')}]`, `${images.data.length} numbers`)
    }
    if (labels.length !== count) refuse(`${count} labels`, `${labels.length}`)
    for (let i = 0; i < count; i++) {
      if (!(Number.isInteger(labels[i]) && labels[i] >= 0 && labels[i] < oracle.classes)) {
        refuse(`labels from 0 to ${oracle.classes - 1}`, `${labels[i]}`)
      }
    }
    const outside = images.data.find((value) => !(value >= min && value <= max))
    if (outside !== undefined) {
      refuse(
        `inputs from ${min} to ${max}`,
        `${outside}`,
        'Give the range of what the model takes, after normalisation.',
      )
    }
    this.images = images
    this.labels = labels
    this.count = count
    this.size = elementCount(images.shape)
    this.classes = oracle.classes
    this.min = min
    this.max = max
    this.seed = seed
    this.batchSize = batchSize
    this.queries = new Uint32Array(count)
    this.#oracle = oracle
    this.#objective = objective
    this.#name = name
    this.#calls = { signal, onProgress }
  }

  /** The index of every input. */
  all(): number[] {
    return Array.from({ length: this.count }, (_, i) => i)
  }

  report(done: number, total: number): void {
    throwIfAborted(this.#calls.signal)
    this.#calls.onProgress?.({ stage: this.#name, done, total })
  }

  image(i: number): Float32Array {
    return this.images.data.subarray(i * this.size, (i + 1) * this.size)
  }

  /**
   * The answers to rows of inputs.
   *
   * @param data one row behind the other
   * @param owners which input of the attack each row is a variant of
   */
  async answers(data: Float32Array, owners: ArrayLike<number>): Promise<Answers> {
    const logits = new Float32Array(owners.length * this.classes)
    let score: Float32Array | undefined
    for (const [from, to] of this.#batches(owners)) {
      const part = await this.#oracle.answers(this.#rows(data, from, to))
      logits.set(part.logits, from * this.classes)
      if (part.score) {
        score ??= new Float32Array(owners.length)
        score.set(part.score, from)
      }
    }
    return score ? { logits, score } : { logits }
  }

  /**
   * The gradient of the objective by the rows, and its values there. Elements that are not finite are given as 0.
   *
   * @throws HardpackError `INVALID_ARGUMENT` for an oracle without gradients
   */
  async gradient(data: Float32Array, owners: ArrayLike<number>, objective = this.#objective) {
    if (!this.#oracle.gradient) {
      return refuse('an oracle with a gradient', 'one without', 'Use square, spsa or boundary.')
    }
    const answers = await this.answers(data, owners)
    const cotangent: Answers = {
      logits: new Float32Array(answers.logits.length),
      ...(answers.score && { score: new Float32Array(owners.length) }),
    }
    for (let i = 0; i < owners.length; i++) objective.derive(answers, i, this.labels[owners[i]], cotangent, owners[i])
    const gradient = new Float32Array(data.length)
    for (const [from, to] of this.#batches(owners)) {
      const seeds: Answers = {
        logits: cotangent.logits.subarray(from * this.classes, to * this.classes),
        ...(cotangent.score && { score: cotangent.score.subarray(from, to) }),
      }
      gradient.set(await this.#oracle.gradient(this.#rows(data, from, to), seeds), from * this.size)
    }
    for (let i = 0; i < gradient.length; i++) if (!Number.isFinite(gradient[i])) gradient[i] = 0
    return { gradient, answers }
  }

  value(answers: Answers, i: number, owner: number): number {
    return this.#objective.value(answers, i, this.labels[owner], owner)
  }

  reached(answers: Answers, i: number, owner: number): boolean {
    return this.#objective.reached(answers, i, this.labels[owner])
  }

  /** The label that the model gives row `i`. */
  predicted(answers: Answers, i: number): number {
    return largest(rowOf(answers, i, this.classes))
  }

  /** Moves every element of row `i` into the ball of radius ε around its input, and into the range. */
  project(data: Float32Array, epsilon: number, i: number, owner = i): void {
    const image = this.image(owner)
    const row = data.subarray(i * this.size, (i + 1) * this.size)
    for (let k = 0; k < row.length; k++) {
      const low = Math.max(this.min, image[k] - epsilon)
      const high = Math.min(this.max, image[k] + epsilon)
      row[k] = Math.min(high, Math.max(low, row[k]))
    }
  }

  /** The result, from the changed inputs; asks for their answers, which are not counted. */
  async result(data: Float32Array): Promise<AttackResult> {
    const spent = this.queries.slice()
    const answers = await this.answers(data, this.all())
    const l2 = new Float64Array(this.count)
    for (let i = 0; i < this.count; i++) {
      const image = this.image(i)
      let sum = 0
      for (let k = 0; k < this.size; k++) sum += (data[i * this.size + k] - image[k]) ** 2
      l2[i] = Math.sqrt(sum)
    }
    const success = Uint8Array.from(l2, (_, i) => Number(this.reached(answers, i, i)))
    return { adversarial: { shape: this.images.shape, data }, success, answers, l2, queries: spent }
  }

  *#batches(owners: ArrayLike<number>): Generator<[number, number]> {
    for (let from = 0; from < owners.length; from += this.batchSize) {
      throwIfAborted(this.#calls.signal)
      const to = Math.min(from + this.batchSize, owners.length)
      for (let i = from; i < to; i++) this.queries[owners[i]]++
      yield [from, to]
    }
  }

  #rows(data: Float32Array, from: number, to: number): Batch {
    return { shape: this.images.shape, data: data.subarray(from * this.size, to * this.size) }
  }
}

/** Chosen rows of a batch, one behind the other. */
export function gather(data: Float32Array, rows: readonly number[], size: number): Float32Array {
  const out = new Float32Array(rows.length * size)
  for (const [i, row] of rows.entries()) out.set(data.subarray(row * size, (row + 1) * size), i * size)
  return out
}
