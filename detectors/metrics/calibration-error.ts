/**
 * Expected calibration error: how far a classifier's confidence is from how often it is right (Naeini, Cooper, Hauskrecht,
 * AAAI 2015; Guo, Pleiss, Sun, Weinberger, ICML 2017, eq. 3), over bins of equal width.
 */

import { HardpackError } from '../../sdk/core/index.ts'

export interface ConfidenceBin {
  /** The bin holds confidences in (low, high]; the first one 0 too. */
  readonly low: number
  readonly high: number
  readonly count: number
  /** Means over the bin; 0 for an empty one. */
  readonly confidence: number
  readonly accuracy: number
}

export interface CalibrationError {
  /** ECE: mean of |accuracy − confidence| over bins, weighted by their counts. */
  readonly expected: number
  /** MCE: the largest of them. */
  readonly maximum: number
  readonly bins: readonly ConfidenceBin[]
}

/**
 * The calibration error of a classifier's confidences.
 *
 * @param confidences probability of the predicted class, in [0, 1], one a sample
 * @param correct whether the prediction was right (or 1 and 0), one a sample
 * @param bins 15 unless said
 * @throws HardpackError `INVALID_ARGUMENT` for no samples, lengths that differ, confidences outside [0, 1], no bins.
 * @example
 * calibrationError([0.9, 0.9, 0.6], [true, false, true]).expected // 0.4
 */
export function calibrationError(
  confidences: ArrayLike<number>,
  correct: ArrayLike<number | boolean>,
  bins = 15,
): CalibrationError {
  const samples = confidences.length
  const refuse = (what: string, wanted: string, got: unknown): never => {
    throw new HardpackError('INVALID_ARGUMENT', `${what} expected ${wanted}, got ${got}.`)
  }
  if (samples === 0) refuse('A calibration error', 'at least one sample', 0)
  if (correct.length !== samples) refuse('A calibration error', `${samples} outcomes, one a confidence`, correct.length)
  if (!(Number.isSafeInteger(bins) && bins >= 1)) refuse('A calibration error', 'at least one bin', bins)
  const counts = new Float64Array(bins)
  const confidence = new Float64Array(bins)
  const right = new Float64Array(bins)
  for (let i = 0; i < samples; i++) {
    const value = confidences[i]
    if (!(value >= 0 && value <= 1)) refuse(`The confidence of sample ${i}`, 'a probability', value)
    const bin = Math.max(0, Math.ceil(value * bins) - 1)
    counts[bin]++
    confidence[bin] += value
    right[bin] += Number(correct[i])
  }
  const parts = Array.from(counts, (count, bin) => ({
    low: bin / bins,
    high: (bin + 1) / bins,
    count,
    confidence: count === 0 ? 0 : confidence[bin] / count,
    accuracy: count === 0 ? 0 : right[bin] / count,
  }))
  const gaps = parts.map((part) => Math.abs(part.accuracy - part.confidence))
  return {
    expected: gaps.reduce((sum, gap, bin) => sum + (gap * counts[bin]) / samples, 0),
    maximum: Math.max(...gaps),
    bins: parts,
  }
}
