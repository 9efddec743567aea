/** Features: what detectors look at. One sample a row, such as the pooled activations of a layer. */

import { HardpackError } from '../sdk/core/index.ts'

export interface Features {
  /** Samples. */
  readonly rows: number
  /** Numbers a sample. */
  readonly columns: number
  /** Row by row, rows × columns. */
  readonly data: Float32Array
}

/**
 * Checks features where they enter a detector.
 *
 * @param what names them in errors, such as `Mahalanobis features`
 * @param columns how many numbers a sample must have, where that is known
 * @throws HardpackError `INVALID_ARGUMENT` for no samples, another size, NaN or infinity.
 * @example
 * checkFeatures('Mahalanobis features', { rows: 2, columns: 3, data: new Float32Array(6) }, 3)
 */
export function checkFeatures(what: string, { rows, columns, data }: Features, expected = columns): void {
  const refuse = (wanted: string, got: string, hint?: string): never => {
    throw new HardpackError('INVALID_ARGUMENT', `${what} expected ${wanted}, got ${got}.`, { hint })
  }
  if (!(Number.isSafeInteger(rows) && rows >= 1)) refuse('at least one sample', `${rows}`)
  if (!(Number.isSafeInteger(columns) && columns >= 1)) refuse('at least one number a sample', `${columns}`)
  if (columns !== expected)
    refuse(`${expected} numbers a sample`, `${columns}`, 'Take them from the same layers as when it was fitted.')
  if (data.length !== rows * columns) refuse(`${rows} × ${columns} numbers`, `${data.length}`)
  const at = data.findIndex((value) => !Number.isFinite(value))
  if (at >= 0) {
    refuse(
      'finite numbers',
      `${data[at]} in sample ${Math.floor(at / columns)}`,
      'Check the inputs, and that the model does not overflow.',
    )
  }
}
