/**
 * The squeezers of feature squeezing (Xu, Evans, Qi, NDSS 2018, section 3): fewer bits a pixel, and the median of a small
 * window. Non-local means, the paper's third, is left out: it costs a search window of shifted differences for every
 * pixel, and is meant for colour photos.
 */

import { HardpackError } from '../../sdk/core/index.ts'

export interface Squeezers {
  /** A copy with 2^bits levels for each; 1 to 8. */
  readonly bits: readonly number[]
  /** A copy with the median of a window of this side for each; 2 or 3. */
  readonly median: readonly number[]
  /** What black and white are in the model's input. */
  readonly range: { readonly min: number; readonly max: number }
}

/** For small grey images; for colour photos the paper takes 5 bits and a median of 2. */
export const DEFAULT_SQUEEZERS: Squeezers = { bits: [2, 3], median: [2], range: { min: 0, max: 1 } }

/**
 * Fills in defaults and checks.
 *
 * @throws HardpackError `INVALID_ARGUMENT` for no squeezer, or one that does not exist.
 */
export function checkSqueezers(given: Partial<Squeezers> = {}): Squeezers {
  const { bits, median, range } = { ...DEFAULT_SQUEEZERS, ...given }
  const refuse = (expected: string, got: string): never => {
    throw new HardpackError('INVALID_ARGUMENT', `Feature squeezing expected ${expected}, got ${got}.`)
  }
  const badBits = bits.find((bit) => !(Number.isInteger(bit) && bit >= 1 && bit <= 8))
  if (badBits !== undefined) refuse('1 to 8 bits', `${badBits}`)
  const badSide = median.find((side) => side !== 2 && side !== 3)
  if (badSide !== undefined) refuse('a median window of 2 or 3', `${badSide}`)
  if (bits.length + median.length === 0) refuse('at least one squeezer', 'none')
  if (!(Number.isFinite(range.min) && Number.isFinite(range.max) && range.min < range.max)) {
    refuse('a pixel range from a lower to a higher number', `${range.min} to ${range.max}`)
  }
  return { bits, median, range }
}

/** One channel after another, each height × width. */
export interface Planes {
  readonly planes: number
  readonly height: number
  readonly width: number
  readonly data: Float32Array
}

/** Pixels on 2^bits levels: the nearest one, halves upwards, in float32 as in the graph. */
export function reduceBits({ data }: Planes, bits: number, { min, max }: Squeezers['range']): Float32Array {
  const { fround } = Math
  const steps = 2 ** bits - 1
  const [scale, back] = [fround(steps / (max - min)), fround((max - min) / steps)]
  return data.map((value) => {
    const level = Math.floor(fround(fround(fround(value - fround(min)) * scale) + 0.5))
    return fround(fround(level * back) + fround(min))
  })
}

/**
 * The median of a window around each pixel; of four, the mean of the middle two. The window of 2 reaches one pixel up and
 * left, and at the edges the nearest pixel stands in for what is missing, as in `scipy.ndimage` with `mode='nearest'`.
 */
export function medianFilter({ planes, height, width, data }: Planes, side: number): Float32Array {
  const out = new Float32Array(data.length)
  const last = side - 2
  const clamp = (at: number, end: number): number => Math.min(Math.max(at, 0), end - 1)
  for (let plane = 0; plane < planes; plane++) {
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++) {
        const window: number[] = []
        for (let dy = -1; dy <= last; dy++) {
          for (let dx = -1; dx <= last; dx++) {
            window.push(data[(plane * height + clamp(y + dy, height)) * width + clamp(x + dx, width)])
          }
        }
        window.sort((a, b) => a - b)
        const middle = window.length >> 1
        out[(plane * height + y) * width + x] = side === 3 ? window[middle] : (window[middle - 1] + window[middle]) / 2
      }
    }
  }
  return out
}
