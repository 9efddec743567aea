/**
 * Bilinear resize with antialias, bit for bit what Pillow's `resize(size, BILINEAR, box)` gives: most image models were
 * trained behind it, and another filter alone moves scores. A triangle filter whose support grows with the factor of
 * reduction; first along rows, then along columns; coefficients in fixed point of 22 bits, rounded to bytes in between
 * (Pillow, `src/libImaging/Resample.c`).
 */

/** Interleaved bytes: height × width × channels. */
export interface Pixels {
  readonly width: number
  readonly height: number
  readonly channels: number
  readonly data: Uint8Array
}

/** A part of a picture, in pixels from its upper left corner; fractions of a pixel are allowed. */
export interface Box {
  readonly left: number
  readonly top: number
  readonly right: number
  readonly bottom: number
}

const PRECISION = 2 ** 22

interface Filter {
  /** Where each output begins to read. */
  readonly first: Int32Array
  /** How many inputs it reads. */
  readonly length: Int32Array
  /** `taps` fixed-point coefficients an output. */
  readonly weights: Int32Array
  readonly taps: number
}

function triangle(size: number, from: number, to: number, outputs: number): Filter {
  const scale = (to - from) / outputs
  const support = Math.max(scale, 1)
  const taps = Math.ceil(support) * 2 + 1
  const first = new Int32Array(outputs)
  const length = new Int32Array(outputs)
  const weights = new Int32Array(outputs * taps)
  const row = new Float64Array(taps)
  for (let output = 0; output < outputs; output++) {
    const centre = from + (output + 0.5) * scale
    const low = Math.max(0, Math.trunc(centre - support + 0.5))
    const high = Math.min(size, Math.trunc(centre + support + 0.5))
    let sum = 0
    for (let i = low; i < high; i++) {
      row[i - low] = Math.max(0, 1 - Math.abs((i - centre + 0.5) / support))
      sum += row[i - low]
    }
    for (let i = 0; i < high - low; i++) weights[output * taps + i] = Math.trunc(0.5 + (row[i] / sum) * PRECISION)
    first[output] = low
    length[output] = high - low
  }
  return { first, length, weights, taps }
}

/**
 * Resizes one axis; `stride` is the distance of neighbours along it. The outer position is a line, the inner one what
 * lies within a neighbour (channels, or a whole row).
 */
function along(data: Uint8Array, filter: Filter, lines: number, lineLength: number, stride: number): Uint8Array {
  const outputs = filter.first.length
  const result = new Uint8Array(lines * outputs * stride)
  for (let line = 0; line < lines; line++) {
    for (let output = 0; output < outputs; output++) {
      const start = line * lineLength + filter.first[output] * stride
      for (let inner = 0; inner < stride; inner++) {
        let sum = PRECISION / 2
        for (let tap = 0; tap < filter.length[output]; tap++) {
          sum += data[start + tap * stride + inner] * filter.weights[output * filter.taps + tap]
        }
        // The coefficients are positive and sum to 1 within rounding: only the upper bound can be passed.
        result[(line * outputs + output) * stride + inner] = Math.min(255, Math.floor(sum / PRECISION))
      }
    }
  }
  return result
}

/**
 * A picture, or a box of it, at another size.
 *
 * @example
 * resize({ width: 2, height: 1, channels: 1, data: Uint8Array.of(0, 100) }, 1, 1).data // Uint8Array [50]
 */
export function resize(
  pixels: Pixels,
  width: number,
  height: number,
  box: Box = { left: 0, top: 0, right: pixels.width, bottom: pixels.height },
): Pixels {
  const { channels } = pixels
  const isWhole = box.left === 0 && box.top === 0 && box.right === pixels.width && box.bottom === pixels.height
  if (isWhole && width === pixels.width && height === pixels.height) return pixels
  let { data } = pixels
  if (width !== pixels.width || box.left !== 0 || box.right !== pixels.width) {
    const filter = triangle(pixels.width, box.left, box.right, width)
    data = along(data, filter, pixels.height, pixels.width * channels, channels)
  }
  if (height !== pixels.height || box.top !== 0 || box.bottom !== pixels.height) {
    const filter = triangle(pixels.height, box.top, box.bottom, height)
    data = along(data, filter, 1, 0, width * channels)
  }
  return { width, height, channels, data }
}
