/**
 * The neighbours of BEYOND: augmented copies of an image, drawn once with a seed and stored, so that an image always gets
 * the same verdict. Random resized crop and flip (SimCLR's, as in He et al. 2024), jitter of brightness and contrast, and
 * for three channels saturation, hue and grayscale.
 *
 * Bilinear resampling of a box is separable, so a crop with flip is A·X·Bᵀ with two small matrices, and these follow from
 * two numbers each: where the first output pixel lies, and the step to the next (negative when flipped). So a graph needs
 * no `GridSample`, and a package stores a few numbers for each neighbour, whatever the image size.
 */

import { HardpackError, rng } from '../../sdk/core/index.ts'

/** Where the output pixels lie along one axis of the input, in pixels: start + step · i. */
export interface Sampling {
  readonly start: number
  readonly step: number
}

export interface Augmentation {
  readonly rows: Sampling
  readonly columns: Sampling
  /** channels × channels, row by row: output channels from input channels. */
  readonly colour: readonly number[]
  /** Distance from the mean luminance, as a factor. */
  readonly contrast: number
}

/** `mild` holds 16 neighbours that stay close, `paper` 50 as strong as He et al. draw them. */
export type AugmentationPreset = 'mild' | 'paper'

interface Strength {
  readonly count: number
  /** Share of the image's area that a crop keeps, from this to 1. */
  readonly area: number
  /** Sides of a crop stretch by up to this factor. */
  readonly stretch: number
  readonly flip: number
  /** Brightness, contrast and saturation change by up to this share. */
  readonly jitter: number
  /** Hue turns by up to this share of the circle. */
  readonly hue: number
  readonly grey: number
}

const PRESETS: Readonly<Record<AugmentationPreset, Strength>> = {
  mild: { count: 16, area: 0.9, stretch: 1.05, flip: 0.5, jitter: 0.1, hue: 0.02, grey: 0.1 },
  paper: { count: 50, area: 0.2, stretch: 4 / 3, flip: 0.5, jitter: 0.4, hue: 0.1, grey: 0.2 },
}

/** ITU-R BT.601 luma, and the axes of YIQ. */
const LUMA = [0.299, 0.587, 0.114]
const IN_PHASE = [0.5959, -0.2746, -0.3213]
const QUADRATURE = [0.2115, -0.5227, 0.3112]
const FROM_YIQ = [
  [1, 0.956, 0.619],
  [1, -0.272, -0.647],
  [1, -1.106, 1.703],
]

export interface Augmentations {
  readonly height: number
  readonly width: number
  readonly channels: number
  readonly neighbours: readonly Augmentation[]
}

export interface DrawOptions {
  readonly height: number
  readonly width: number
  readonly channels: number
  /** `mild` unless told. */
  readonly preset?: AugmentationPreset
  /** Neighbours; the preset's number unless told. */
  readonly count?: number
  readonly seed?: number
}

/** How much each channel counts for the luminance. */
export const lumaOf = (channels: number): number[] =>
  channels === 3 ? LUMA : Array<number>(channels).fill(1 / channels)

/** out[i] = matrix[i] · colours, of 3 × 3 matrices. */
const product = (a: readonly (readonly number[])[], b: readonly (readonly number[])[]): number[][] =>
  a.map((row) => b[0].map((_, j) => row.reduce((sum, value, k) => sum + value * b[k][j], 0)))

function hueMatrix(turn: number): number[][] {
  const [cos, sin] = [Math.cos(2 * Math.PI * turn), Math.sin(2 * Math.PI * turn)]
  const mix = (a: number, b: number): number[] => IN_PHASE.map((value, i) => a * value + b * QUADRATURE[i])
  return product(FROM_YIQ, [LUMA, mix(cos, -sin), mix(sin, cos)])
}

/**
 * Draws the neighbours of images of one size.
 *
 * @returns numbers only, to be stored with the package
 * @throws HardpackError `INVALID_ARGUMENT` for sizes and counts that are not positive integers.
 * @example
 * drawAugmentations({ height: 28, width: 28, channels: 1, seed: 7 }).neighbours.length // 16
 */
export function drawAugmentations(options: DrawOptions): Augmentations {
  const { height, width, channels, preset = 'mild', seed = 0 } = options
  const strength = PRESETS[preset]
  if (!strength) {
    throw new HardpackError('INVALID_ARGUMENT', `Augmentations expected "mild" or "paper", got "${preset}".`)
  }
  const { count = strength.count } = options
  for (const [what, value] of Object.entries({ height, width, channels, count })) {
    if (!(Number.isSafeInteger(value) && value >= 1)) {
      throw new HardpackError('INVALID_ARGUMENT', `Augmentations expected a positive integer as ${what}, got ${value}.`)
    }
  }
  const { uniform } = rng(seed, 0xbe70)
  const between = (low: number, high: number): number => low + (high - low) * uniform()
  const jitter = (): number => between(1 - strength.jitter, 1 + strength.jitter)
  const sampling = (size: number, crop: number, flip: boolean): Sampling => {
    const offset = between(0, size - crop)
    const step = crop / size
    const start = offset + 0.5 * step - 0.5
    return flip ? { start: start + (size - 1) * step, step: -step } : { start, step }
  }
  const colour = (): number[] => {
    const brightness = jitter()
    const unit = Array.from({ length: channels }, (_, i) => lumaOf(channels).map((_, j) => (i === j ? brightness : 0)))
    if (channels !== 3) return unit.flat()
    const saturation = jitter()
    const turn = between(-strength.hue, strength.hue)
    const keep = uniform() < strength.grey ? 0 : saturation
    const saturate = LUMA.map((_, i) => LUMA.map((luma, j) => (1 - keep) * luma + (i === j ? keep : 0)))
    return product(saturate, product(hueMatrix(turn), unit)).flat()
  }
  const neighbours = Array.from({ length: count }, () => {
    const area = between(strength.area, 1)
    const stretch = Math.exp(between(-1, 1) * Math.log(strength.stretch))
    return {
      rows: sampling(height, Math.min(height, height * Math.sqrt(area / stretch)), false),
      columns: sampling(width, Math.min(width, width * Math.sqrt(area * stretch)), uniform() < strength.flip),
      colour: colour(),
      contrast: jitter(),
    }
  })
  return { height, width, channels, neighbours }
}

/** The two input pixels that each output pixel lies between, and the share of the second. */
function taps({ start, step }: Sampling, size: number): { first: number; share: number }[] {
  return Array.from({ length: size }, (_, i) => {
    const at = Math.min(Math.max(start + step * i, 0), size - 1)
    const first = Math.min(Math.floor(at), Math.max(0, size - 2))
    return { first, share: at - first }
  })
}

/**
 * Every neighbour of every image: the plain reference of the nodes in `graph.ts`.
 *
 * @param images [n, channels, height, width]
 * @param range what black and white are
 * @returns [n · k, channels, height, width], the neighbours of one image after another
 * @throws HardpackError `INVALID_ARGUMENT` for images of another size.
 * @example
 * const drawn = drawAugmentations({ height: 28, width: 28, channels: 1 })
 * augment(drawn, new Float32Array(784), { min: 0, max: 1 }).length // 16 · 784
 */
export function augment(
  { height, width, channels, neighbours }: Augmentations,
  images: Float32Array,
  { min, max }: { readonly min: number; readonly max: number },
): Float32Array {
  const plane = height * width
  const size = channels * plane
  const count = images.length / size
  if (!(Number.isInteger(count) && count >= 1)) {
    throw new HardpackError(
      'INVALID_ARGUMENT',
      `Augmentations expected images of ${channels} × ${height} × ${width} numbers, got ${images.length} numbers.`,
    )
  }
  const luma = lumaOf(channels)
  const out = new Float32Array(images.length * neighbours.length)
  const resampled = new Float64Array(size)
  const coloured = new Float64Array(size)
  for (let n = 0; n < count; n++) {
    neighbours.forEach(({ rows, columns, colour, contrast }, k) => {
      const [down, across] = [taps(rows, height), taps(columns, width)]
      const pixel = (c: number, y: number, x: number): number =>
        (images[n * size + c * plane + Math.min(y, height - 1) * width + Math.min(x, width - 1)] - min) / (max - min)
      for (let c = 0; c < channels; c++) {
        down.forEach(({ first: y, share: fy }, row) => {
          across.forEach(({ first: x, share: fx }, column) => {
            const above = (1 - fx) * pixel(c, y, x) + fx * pixel(c, y, x + 1)
            const below = (1 - fx) * pixel(c, y + 1, x) + fx * pixel(c, y + 1, x + 1)
            resampled[c * plane + row * width + column] = (1 - fy) * above + fy * below
          })
        })
      }
      let mean = 0
      for (let c = 0; c < channels; c++) {
        for (let at = 0; at < plane; at++) {
          let value = 0
          for (let from = 0; from < channels; from++)
            value += colour[c * channels + from] * resampled[from * plane + at]
          coloured[c * plane + at] = value
          mean += (luma[c] * value) / plane
        }
      }
      const to = (n * neighbours.length + k) * size
      coloured.forEach((value, at) => {
        out[to + at] = min + (max - min) * Math.min(1, Math.max(0, contrast * value + (1 - contrast) * mean))
      })
    })
  }
  return out
}
