/**
 * What JPEG takes from a picture: blocks of 8 × 8, a cosine transform, and coefficients rounded to multiples of a table
 * (ITU-T T.81, annex A.3 and the example tables of annex K, scaled by quality as libjpeg does). What follows in a file is
 * lossless, so no file is made. Colours are not subsampled (4:4:4).
 */

const LUMINANCE = [
  16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55, 14, 13, 16, 24, 40, 57, 69, 56, 14, 17, 22, 29, 51,
  87, 80, 62, 18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92, 49, 64, 78, 87, 103, 121, 120, 101,
  72, 92, 95, 98, 112, 100, 103, 99,
]
const CHROMINANCE = [
  17, 18, 24, 47, 99, 99, 99, 99, 18, 21, 26, 66, 99, 99, 99, 99, 24, 26, 56, 99, 99, 99, 99, 99, 47, 66, 99, 99, 99,
  99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99,
  99, 99, 99, 99, 99, 99,
]

const SIDE = 8
/** Orthonormal cosines: row u holds the u-th one over the 8 positions. */
const COSINES = Float64Array.from({ length: SIDE * SIDE }, (_, at) => {
  const u = Math.floor(at / SIDE)
  return (u === 0 ? Math.sqrt(1 / SIDE) : 0.5) * Math.cos(((2 * (at % SIDE) + 1) * u * Math.PI) / 16)
})

function scaled(table: readonly number[], quality: number): number[] {
  const scale = quality < 50 ? 5000 / quality : 200 - 2 * quality
  return table.map((step) => Math.max(1, Math.min(255, Math.floor((step * scale + 50) / 100))))
}

/** `C · block · Cᵀ`, or `Cᵀ · block · C` backwards, in place. */
function transform(block: Float64Array, isBackward: boolean): void {
  const half = new Float64Array(SIDE * SIDE)
  const cosine = (u: number, x: number): number => COSINES[isBackward ? x * SIDE + u : u * SIDE + x]
  for (let u = 0; u < SIDE; u++) {
    for (let x = 0; x < SIDE; x++) {
      let sum = 0
      for (let y = 0; y < SIDE; y++) sum += cosine(u, y) * block[y * SIDE + x]
      half[u * SIDE + x] = sum
    }
  }
  for (let u = 0; u < SIDE; u++) {
    for (let v = 0; v < SIDE; v++) {
      let sum = 0
      for (let x = 0; x < SIDE; x++) sum += half[u * SIDE + x] * cosine(v, x)
      block[u * SIDE + v] = sum
    }
  }
}

function plane(values: Float64Array, height: number, width: number, steps: readonly number[]): Float64Array {
  const result = new Float64Array(values.length)
  const block = new Float64Array(SIDE * SIDE)
  for (let top = 0; top < height; top += SIDE) {
    for (let left = 0; left < width; left += SIDE) {
      for (let at = 0; at < block.length; at++) {
        // Blocks that stick out repeat the border.
        const y = Math.min(height - 1, top + Math.floor(at / SIDE))
        const x = Math.min(width - 1, left + (at % SIDE))
        block[at] = values[y * width + x] - 128
      }
      transform(block, false)
      for (const [at, step] of steps.entries()) block[at] = step * Math.round(block[at] / step)
      transform(block, true)
      for (let y = top; y < Math.min(height, top + SIDE); y++) {
        for (let x = left; x < Math.min(width, left + SIDE); x++) {
          const value = Math.round(block[(y - top) * SIDE + x - left] + 128)
          result[y * width + x] = Math.max(0, Math.min(255, value))
        }
      }
    }
  }
  return result
}

/**
 * A picture as it comes back from a JPEG file.
 *
 * @param pixels 0 to 255, row by row, 1 or 3 interleaved channels
 * @param quality 1 to 100, libjpeg's scale
 * @example
 * jpegLoss(pixels, { height: 28, width: 28, channels: 1 }, 60)
 */
export function jpegLoss(
  pixels: Float64Array,
  { height, width, channels }: { height: number; width: number; channels: number },
  quality: number,
): Float64Array {
  const luminance = scaled(LUMINANCE, quality)
  const bytes = pixels.map((pixel) => Math.max(0, Math.min(255, Math.round(pixel))))
  if (channels === 1) return plane(bytes, height, width, luminance)
  const chrominance = scaled(CHROMINANCE, quality)
  const mix = (red: number, green: number, blue: number, offset: number): Float64Array =>
    Float64Array.from({ length: height * width }, (_, i) =>
      Math.round(red * bytes[3 * i] + green * bytes[3 * i + 1] + blue * bytes[3 * i + 2] + offset),
    )
  const y = plane(mix(0.299, 0.587, 0.114, 0), height, width, luminance)
  const cb = plane(mix(-0.168736, -0.331264, 0.5, 128), height, width, chrominance)
  const cr = plane(mix(0.5, -0.418688, -0.081312, 128), height, width, chrominance)
  return pixels.map((_, at) => {
    const i = Math.floor(at / 3)
    const [blue, red] = [cb[i] - 128, cr[i] - 128]
    return y[i] + [1.402 * red, -0.344136 * blue - 0.714136 * red, 1.772 * blue][at % 3]
  })
}
