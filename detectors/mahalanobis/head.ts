/**
 * The Mahalanobis score as nodes of a graph, equal to `scoreMahalanobis`. One MatMul into the basis; one Gemm finds the
 * nearest class by −2 z·μ + ‖μ‖², and only the distance to that class is computed in full: expanding the square in
 * float32 would lose the digits that matter where classes lie far apart.
 */

import { HardpackError } from '../../sdk/core/index.ts'
import { type Fragment, float } from '../../sdk/onnx/index.ts'
import { backgroundWhitening, cholesky, type Mahalanobis, SMALLEST_NORM, widen } from './detector.ts'

/** A float16 constant, widened on the device: half the bytes in the package. */
function halves(fragment: Fragment, data: Uint16Array, shape: readonly number[]): string {
  return fragment.cast(fragment.constant({ dtype: 'float16', shape, data }), 'float32')
}

const sumOfSquares = (fragment: Fragment, value: string): string => fragment.reduce('ReduceSumSquare', value, [1])

/** features / max(‖features‖, tiny) */
function normalise(fragment: Fragment, features: string): string {
  const squares = fragment.reduce('ReduceSumSquare', features, [1], true)
  const norm = fragment.node('Max', [fragment.node('Sqrt', [squares]), fragment.scalar(SMALLEST_NORM)])
  return fragment.node('Div', [features, norm])
}

/**
 * Names of values that hold what `addClass` changes, where these are inputs of the graph: float32 basis `[columns, rank]`,
 * whitening `[rank, rank]` and means `[classes, rank]`, as `roomFeeds` gives them.
 */
export interface RoomInputs {
  readonly basis: string
  readonly whitening: string
  readonly means: string
}

/** z less the mean of the nearest class. */
function fromNearest(detector: Mahalanobis, fragment: Fragment, z: string, room: RoomInputs | undefined): string {
  const { rank, classes } = detector
  if (room) {
    const norms = sumOfSquares(fragment, room.means)
    const distances = fragment.node('Gemm', [z, room.means, norms], { transB: 1, alpha: float(-2) })
    const nearest = fragment.node('ArgMin', [distances], { axis: 1, keepdims: 0 })
    return fragment.node('Sub', [z, fragment.node('Gather', [room.means, nearest], { axis: 0 })])
  }
  const means = halves(fragment, detector.means, [classes.length, rank])
  if (classes.length === 1) return fragment.node('Sub', [z, means])
  const mu = widen(detector.means)
  const norms = new Float64Array(classes.length)
  for (let c = 0; c < classes.length; c++) for (let j = 0; j < rank; j++) norms[c] += mu[c * rank + j] ** 2
  const distances = fragment.node('Gemm', [z, means, fragment.floats(norms)], { transB: 1, alpha: float(-2) })
  const nearest = fragment.node('ArgMin', [distances], { axis: 1, keepdims: 0 })
  return fragment.node('Sub', [z, fragment.node('Gather', [means, nearest], { axis: 0 })])
}

/**
 * Appends the detector to a fragment.
 *
 * @param features the name of the features, float32 `[n, columns]`
 * @param room for classes that a device adds; without it everything is a constant
 * @returns the name of the scores, float32 `[n]`; larger is stranger
 * @throws HardpackError `INVALID_ARGUMENT` for room in a relative detector.
 * @example
 * const score = mahalanobisHead(detector, fragment, tapHead(fragment, taps, observed))
 */
export function mahalanobisHead(
  detector: Mahalanobis,
  fragment: Fragment,
  features: string,
  room?: RoomInputs,
): string {
  const { columns, rank, whitening } = detector
  if (room && detector.relative) {
    throw new HardpackError(
      'INVALID_ARGUMENT',
      'Room for classes expected a detector that is not relative, got one that is.',
      {
        hint: 'Use another variant of Mahalanobis, or no room.',
      },
    )
  }
  const taken = detector.normalised ? normalise(fragment, features) : features
  const centred = fragment.node('Sub', [taken, fragment.floats(detector.center)])
  const x = fragment.node('Mul', [centred, fragment.floats(detector.inverseScale)])
  const basis = room?.basis ?? halves(fragment, detector.basis, [columns, rank])
  const y = fragment.node('MatMul', [x, basis])
  const z = room
    ? fragment.node('MatMul', [y, room.whitening])
    : whitening.length === rank
      ? fragment.node('Mul', [y, fragment.floats(whitening)])
      : fragment.node('MatMul', [y, fragment.floats(whitening, [rank, rank])])
  const distance = sumOfSquares(fragment, fromNearest(detector, fragment, z, room))
  if (detector.relative) {
    const background = fragment.node('MatMul', [z, fragment.floats(backgroundWhitening(detector), [rank, rank])])
    return fragment.node('Sub', [distance, sumOfSquares(fragment, background)])
  }
  if (detector.restPrecision === 0) return distance
  const rest = whitening.length === rank && !room ? restBySquares : restInFull
  return fragment.node('Add', [distance, rest(detector, fragment, { x, y, basis })])
}

interface Coordinates {
  readonly x: string
  readonly y: string
  readonly basis: string
}

/** |x − V y|² / σ², what the basis leaves out. */
function restInFull({ restPrecision }: Mahalanobis, fragment: Fragment, { x, y, basis }: Coordinates): string {
  const deviation = Math.sqrt(restPrecision)
  const rest = fragment.node('Gemm', [y, basis, x], { transB: 1, alpha: float(-deviation), beta: float(deviation) })
  return sumOfSquares(fragment, rest)
}

/**
 * The same as (|x|² − |y L|²) / σ²: the basis, which is most of what the head reads, is read once only. A class that was added
 * can lie so far out that this difference would lose digits.
 */
function restBySquares(detector: Mahalanobis, fragment: Fragment, { x, y }: Coordinates): string {
  const { rank, restPrecision } = detector
  const within = fragment.node('MatMul', [y, fragment.floats(withinBasis(detector), [rank, rank])])
  const energy = fragment.node('Sub', [sumOfSquares(fragment, x), sumOfSquares(fragment, within)])
  return fragment.node('Mul', [energy, fragment.scalar(restPrecision)])
}

/** L of LLᵀ = 2 I − VᵀV, which is I but for the rounding of V. */
function withinBasis({ basis, columns, rank }: Mahalanobis): Float64Array {
  const v = widen(basis)
  const gram = new Float64Array(rank * rank)
  for (let i = 0; i < rank; i++) {
    for (let j = 0; j <= i; j++) {
      let sum = i === j ? 2 : 0
      for (let k = 0; k < columns; k++) sum -= v[k * rank + i] * v[k * rank + j]
      gram[i * rank + j] = sum
      gram[j * rank + i] = sum
    }
  }
  return cholesky(gram, rank)
}
