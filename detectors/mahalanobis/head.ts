/**
 * The Mahalanobis score as nodes of a graph, equal to `scoreMahalanobis`. One MatMul into the basis; one Gemm finds the
 * nearest class by −2 z·μ + ‖μ‖², and only the distance to that class is computed in full: expanding the square in
 * float32 would lose the digits that matter where classes lie far apart.
 */

import type { Fragment } from '../../sdk/onnx/index.ts'
import { float } from '../../sdk/onnx/index.ts'
import { backgroundWhitening, type Mahalanobis, SMALLEST_NORM, widen } from './detector.ts'

/** A float16 constant, widened on the device: half the bytes in the package. */
function halves(fragment: Fragment, data: Uint16Array, shape: readonly number[]): string {
  return fragment.cast(fragment.constant({ dtype: 'float16', shape, data }), 'float32')
}

const sumOfSquares = (fragment: Fragment, value: string): string =>
  fragment.reduce('ReduceSum', fragment.node('Mul', [value, value]), [1])

/** features / max(‖features‖, tiny) */
function normalise(fragment: Fragment, features: string): string {
  const squares = fragment.reduce('ReduceSum', fragment.node('Mul', [features, features]), [1], true)
  const norm = fragment.node('Max', [fragment.node('Sqrt', [squares]), fragment.scalar(SMALLEST_NORM)])
  return fragment.node('Div', [features, norm])
}

/** z less the mean of the nearest class. */
function fromNearest(detector: Mahalanobis, fragment: Fragment, z: string): string {
  const { rank, classes } = detector
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
 * @returns the name of the scores, float32 `[n]`; larger is stranger
 * @example
 * const score = mahalanobisHead(detector, fragment, tapHead(fragment, taps, dtypes))
 */
export function mahalanobisHead(detector: Mahalanobis, fragment: Fragment, features: string): string {
  const { columns, rank, whitening } = detector
  const taken = detector.normalised ? normalise(fragment, features) : features
  const centred = fragment.node('Sub', [taken, fragment.floats(detector.center)])
  const x = fragment.node('Mul', [centred, fragment.floats(detector.inverseScale)])
  const basis = halves(fragment, detector.basis, [columns, rank])
  const y = fragment.node('MatMul', [x, basis])
  const z =
    whitening.length === rank
      ? fragment.node('Mul', [y, fragment.floats(whitening)])
      : fragment.node('MatMul', [y, fragment.floats(whitening, [rank, rank])])
  const distance = sumOfSquares(fragment, fromNearest(detector, fragment, z))
  if (detector.relative) {
    const background = fragment.node('MatMul', [z, fragment.floats(backgroundWhitening(detector), [rank, rank])])
    return fragment.node('Sub', [distance, sumOfSquares(fragment, background)])
  }
  if (detector.restPrecision === 0) return distance
  const rest = fragment.node('Gemm', [y, basis, x], { transB: 1, alpha: float(-1) })
  const energy = fragment.node('Mul', [sumOfSquares(fragment, rest), fragment.scalar(detector.restPrecision)])
  return fragment.node('Add', [distance, energy])
}
