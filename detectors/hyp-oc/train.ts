/**
 * Fits Hyp-OC on genuine samples alone (Narayan, Patel, FG 2024), at pack time. See `score.ts` for what is fitted.
 *
 * As in the paper: as many pseudo-negatives as genuine samples, from N(m, σ²I) before the MLP, m a running mean with α =
 * 0.8; Hyp-CE + Hyp-PC; c = 0.1, r = 2; the norm of the gradient is clipped to 3; Adam. The network that makes the features
 * stays as it is, and then, on one-class MNIST, the paper's settings separate little. So, unlike in the paper:
 * - Features are whitened, each direction to variance 1.
 * - σ = 1.5. With σ = 1 both classes have the same mean and covariance. One pseudo-negative in four is drawn from farther out
 *   still, up to σ = 150: genuine samples have heavier tails than a Gaussian, and what is farther away than all pseudo-negatives
 *   would count as genuine.
 * - The MLP also gets the squares of the whitened features and their sum. From those a few hundred steps read a distance, and
 *   the sum, which alone is not limited to `NEAR`, decides far out. The MLP is small: what is left for it to learn is how
 *   genuine samples differ from a Gaussian.
 * - Hyp-PC is weighted by 0.05. At 1 it draws pseudo-negatives in with the rest.
 * - The distance in Hyp-PC is the geodesic one (artanh), and the mean runs on from batch to batch.
 */

import { type CallOptions, HardpackError, normal, type Rng, rng, throwIfAborted } from '../../sdk/core/index.ts'
import { checkFeatures, type Features } from '../features.ts'
import { initialParameters, lossAndGradient, makeParameters, type NetworkShape } from './gradient.ts'
import { conformalFactor, exp0 } from './poincare.ts'
import { type HypOc, inputOf, inputsOf } from './score.ts'
import { fitWhitening, whiten } from './whiten.ts'

export interface HypOcOptions extends CallOptions {
  /** Everything random follows from it; 0 unless told. */
  readonly seed?: number
  /** Largest number of whitened directions; 256 unless told. */
  readonly rank?: number
  /** Steps of training, of 64 genuine samples each; 400 unless told. */
  readonly steps?: number
}

const CURVATURE = 0.1
const RADIUS = 2
const HIDDEN = 64
const EMBEDDING = 32
const BATCH = 64
/** α: how much of the running mean stays. */
const KEEP = 0.8
/** σ of the pseudo-negatives. */
const SPREAD = 1.5
/** Every so many of them has σ times 1 to `FARTHEST`, uniform in its logarithm. */
const FAR_EVERY = 4
const FARTHEST = 100
const PAIR_WEIGHT = 0.05
const LARGEST_GRADIENT = 3
const LEARNING_RATE = 1e-3
const STEPS_BETWEEN_PAUSES = 20
const FEWEST_SAMPLES = 16

/** Adam (Kingma, Ba 2015) with its usual constants. */
function makeAdam(length: number): (parameters: Float64Array, gradient: Float64Array) => void {
  const first = new Float64Array(length)
  const second = new Float64Array(length)
  let step = 0
  return (parameters, gradient) => {
    step++
    const rate = (LEARNING_RATE * Math.sqrt(1 - 0.999 ** step)) / (1 - 0.9 ** step)
    for (let i = 0; i < length; i++) {
      const g = gradient[i]
      first[i] = 0.9 * first[i] + 0.1 * g
      second[i] = 0.999 * second[i] + 0.001 * g * g
      parameters[i] -= (rate * first[i]) / (Math.sqrt(second[i]) + 1e-8)
    }
  }
}

function clipGradient(gradient: Float64Array): void {
  const norm = Math.sqrt(gradient.reduce((sum, value) => sum + value * value, 0))
  if (norm > LARGEST_GRADIENT) for (let i = 0; i < gradient.length; i++) gradient[i] *= LARGEST_GRADIENT / norm
}

/** Sample after sample in random order, for ever. */
function makeOrder(rows: number, random: Rng): () => number {
  const order = Uint32Array.from({ length: rows }, (_, i) => i)
  let at = rows
  return () => {
    if (at === rows) {
      for (let i = rows - 1; i > 0; i--) {
        const j = random.below(i + 1)
        const swapped = order[i]
        order[i] = order[j]
        order[j] = swapped
      }
      at = 0
    }
    return order[at++]
  }
}

function checkOptions({ seed = 0, rank = 256, steps = 400 }: HypOcOptions): {
  seed: number
  rank: number
  steps: number
} {
  const refuse = (name: string, wanted: string, got: number): never => {
    throw new HardpackError('INVALID_ARGUMENT', `Hyp-OC ${name} expected ${wanted}, got ${got}.`)
  }
  if (!Number.isSafeInteger(seed)) refuse('seed', 'an integer', seed)
  if (!(Number.isSafeInteger(rank) && rank >= 1)) refuse('rank', 'a positive integer', rank)
  if (!(Number.isSafeInteger(steps) && steps >= 1)) refuse('steps', 'a positive integer', steps)
  return { seed, rank, steps }
}

/**
 * Trains a Hyp-OC head. Seconds for thousands of samples; the same numbers for the same seed.
 *
 * @param features genuine samples × numbers; at least 16 samples, a few hundred to be useful
 * @throws HardpackError `INVALID_ARGUMENT` for too few samples, constant features, NaN or infinity; `ABORTED`.
 * @example
 * const model = await fitHypOc({ rows: 5000, columns: 256, data }, { seed: 1 })
 */
export async function fitHypOc(features: Features, options: HypOcOptions = {}): Promise<HypOc> {
  const { signal, onProgress } = options
  const { seed, rank: largestRank, steps } = checkOptions(options)
  checkFeatures('Hyp-OC features', features)
  const { rows, columns } = features
  if (rows < FEWEST_SAMPLES) {
    throw new HardpackError(
      'INVALID_ARGUMENT',
      `Hyp-OC expected at least ${FEWEST_SAMPLES} genuine samples, got ${rows}.`,
    )
  }
  throwIfAborted(signal)

  const whitening = fitWhitening(features, Math.min(largestRank, Math.max(64, Math.floor(rows / 4)), rows - 1))
  const samples = whiten(whitening, features)
  const { rank } = whitening
  const shape: NetworkShape = { sizes: [inputsOf(rank), HIDDEN, EMBEDDING], curvature: CURVATURE, radius: RADIUS }
  const random = rng(seed)
  const parameters = initialParameters(shape, random)
  const gradient = makeParameters(shape)
  const update = makeAdam(parameters.all.length)
  const next = makeOrder(rows, random)

  const batch = new Float64Array(2 * BATCH * inputsOf(rank))
  const mean = new Float64Array(rank)
  const z = new Float64Array(rank)
  for (let step = 0; step < steps; step++) {
    if (step % STEPS_BETWEEN_PAUSES === 0) {
      onProgress?.({ stage: 'train Hyp-OC', done: step, total: steps })
      await new Promise((resolve) => setTimeout(resolve))
      throwIfAborted(signal)
    }
    for (let i = 0; i < rank; i++) mean[i] *= KEEP
    for (let row = 0; row < BATCH; row++) {
      const at = next() * rank
      const sample = samples.subarray(at, at + rank)
      batch.set(inputOf(sample), row * inputsOf(rank))
      for (let i = 0; i < rank; i++) mean[i] += ((1 - KEEP) * sample[i]) / BATCH
    }
    for (let row = BATCH; row < 2 * BATCH; row++) {
      const spread = row % FAR_EVERY === 0 ? SPREAD * FARTHEST ** random.uniform() : SPREAD
      for (let i = 0; i < rank; i++) z[i] = mean[i] + spread * normal(random)
      batch.set(inputOf(z), row * inputsOf(rank))
    }
    lossAndGradient(shape, parameters, batch, BATCH, PAIR_WEIGHT, gradient)
    clipGradient(gradient.all)
    update(parameters.all, gradient.all)
  }
  onProgress?.({ stage: 'train Hyp-OC', done: steps, total: steps })

  const points = parameters.points.map((q) => exp0(q, CURVATURE))
  const normals = parameters.normals.map((a, k) =>
    a.map((value) => (2 * value) / conformalFactor(points[k], CURVATURE)),
  )
  return {
    columns,
    mean: Float32Array.from(whitening.mean),
    whitening: Float32Array.from(whitening.matrix),
    layers: parameters.weights.map((weights, layer) => ({
      weights: Float32Array.from(weights),
      bias: Float32Array.from(parameters.biases[layer]),
    })),
    curvature: CURVATURE,
    radius: RADIUS,
    points: [Float32Array.from(points[0]), Float32Array.from(points[1])],
    normals: [Float32Array.from(normals[0]), Float32Array.from(normals[1])],
  }
}
