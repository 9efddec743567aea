/**
 * Conformal p-values (Vovk, Gammerman, Shafer, "Algorithmic Learning in a Random World", 2005; Bates, Candès, Lei,
 * Romano, Sesia, "Testing for outliers with conformal p-values", Annals of Statistics 2023, eq. 2). For a score of the
 * same distribution as the calibration scores, P(p ≤ α) ≤ α for every α, whatever that distribution is.
 */

import { HardpackError } from '../sdk/core/index.ts'

/**
 * The p-value of a score: the share of calibration scores, itself counted, that are at least as large.
 *
 * @param calibration scores of inputs that were not fitted on, ascending; larger means stranger
 * @param score the score of the input in question
 * @returns (1 + #{i : calibration_i ≥ score}) / (n + 1), in (0, 1]
 * @throws HardpackError `INVALID_ARGUMENT` for no calibration scores, or a score that is NaN.
 * @example
 * conformalPValue(Float64Array.of(1, 2, 3), 2.5) // 0.5
 */
export function conformalPValue(calibration: Float64Array, score: number): number {
  if (calibration.length === 0 || Number.isNaN(score)) {
    throw new HardpackError(
      'INVALID_ARGUMENT',
      `A p-value expected calibration scores and a number, got ${calibration.length} scores and ${score}.`,
      {
        hint: 'Calibrate on inputs that the detector was not fitted on.',
      },
    )
  }
  let low = 0
  let high = calibration.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (calibration[middle] < score) low = middle + 1
    else high = middle
  }
  return (1 + calibration.length - low) / (calibration.length + 1)
}
