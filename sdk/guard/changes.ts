/**
 * Changes of pictures for an evaluation. `SHIFTS` are what a new camera, lamp or codec does to an input that is as good as
 * before: a guard ought to accept it, and how often it does not is reported. `OUTLIERS` make inputs from far outside without
 * any data. Each sample draws from its own random stream, so it does not matter how samples are batched.
 */

import { type Rng, rng } from '../core/index.ts'
import type { PictureFormat } from '../pack/samples/preprocess.ts'
import { resize } from '../pack/samples/resize.ts'
import { changed, type SampleSet } from '../pack/samples/sample-set.ts'
import { jpegLoss } from './jpeg-loss.ts'

/** The size of a picture: what a change needs to know of its format. */
export type Size = Pick<PictureFormat, 'height' | 'width' | 'channels'>

export interface PictureChange {
  /** What it does and how much, for a table. */
  readonly name: string
  /**
   * @param pixels 0 to 255, row by row, channels interleaved
   * @returns new pixels; values outside 0 … 255 are cut afterwards
   */
  change(pixels: Float64Array, size: Size, random: Rng): Float64Array
}

export const SHIFTS: readonly PictureChange[] = [
  { name: 'brightness +10 %', change: (pixels) => pixels.map((pixel) => pixel + 25.5) },
  { name: 'brightness −10 %', change: (pixels) => pixels.map((pixel) => pixel - 25.5) },
  { name: 'contrast × 1.3', change: (pixels) => contrast(pixels, 1.3) },
  { name: 'contrast × 0.7', change: (pixels) => contrast(pixels, 0.7) },
  { name: 'gamma 0.7', change: (pixels) => gamma(pixels, 0.7) },
  { name: 'gamma 1.4', change: (pixels) => gamma(pixels, 1.4) },
  { name: 'blur, σ 0.7 px', change: (pixels, size) => blur(pixels, size, 0.7) },
  { name: 'noise, σ 5 %', change: (pixels, _, random) => addNoise(pixels, 0.05 * 255, random) },
  { name: 'moved by 2 px', change: (pixels, size, random) => move(pixels, size, 2, random.below(4)) },
  { name: 'JPEG, quality 60', change: (pixels, size) => jpegLoss(pixels, size, 60) },
]

export const OUTLIERS: readonly PictureChange[] = [
  { name: 'uniform noise', change: (pixels, _, random) => pixels.map(() => random.below(256)) },
  { name: 'inverted', change: (pixels) => pixels.map((pixel) => 255 - pixel) },
  { name: 'rotated 90°', change: rotate },
]

/**
 * The samples of a set, each changed.
 *
 * @param seed the same seed changes a sample in the same way; 0 unless told
 * @throws HardpackError `INVALID_ARGUMENT` where samples are no pictures.
 * @example
 * const noise = changedSamples(clean, OUTLIERS[0])
 */
export function changedSamples(set: SampleSet, { name, change }: PictureChange, seed = 0): SampleSet {
  return changed(set, name, (pixels, index, size) => change(pixels, size, rng(seed, index)))
}

/** Around the picture's own mean, as torchvision and Pillow do. */
function contrast(pixels: Float64Array, factor: number): Float64Array {
  const mean = pixels.reduce((sum, pixel) => sum + pixel, 0) / pixels.length
  return pixels.map((pixel) => mean + factor * (pixel - mean))
}

function gamma(pixels: Float64Array, exponent: number): Float64Array {
  return pixels.map((pixel) => 255 * Math.max(0, pixel / 255) ** exponent)
}

/** Gaussian noise of deviation sigma (Box and Muller). */
function addNoise(pixels: Float64Array, sigma: number, random: Rng): Float64Array {
  return pixels.map((pixel) => {
    const radius = Math.sqrt(-2 * Math.log(1 - random.uniform()))
    return pixel + sigma * radius * Math.cos(2 * Math.PI * random.uniform())
  })
}

/** A Gaussian of three deviations, one axis after the other; borders repeat. */
function blur(pixels: Float64Array, { height, width, channels }: Size, sigma: number): Float64Array {
  const radius = Math.ceil(3 * sigma)
  const kernel = Array.from({ length: 2 * radius + 1 }, (_, i) => Math.exp(-((i - radius) ** 2) / (2 * sigma ** 2)))
  const total = kernel.reduce((sum, weight) => sum + weight, 0)
  const along = (data: Float64Array, length: number, stride: number): Float64Array =>
    data.map((_, at) => {
      const position = Math.floor(at / stride) % length
      let sum = 0
      for (const [i, weight] of kernel.entries()) {
        const neighbour = Math.max(0, Math.min(length - 1, position + i - radius))
        sum += weight * data[at + (neighbour - position) * stride]
      }
      return sum / total
    })
  return along(along(pixels, width, channels), height, width * channels)
}

/** Moved left, right, up or down (direction 0 to 3); the border that comes in repeats. */
function move(pixels: Float64Array, { height, width, channels }: Size, by: number, direction: number): Float64Array {
  const dx = [by, -by, 0, 0][direction]
  const dy = [0, 0, by, -by][direction]
  return pixels.map((_, at) => {
    const x = Math.floor(at / channels) % width
    const y = Math.floor(at / channels / width)
    const fromX = Math.max(0, Math.min(width - 1, x + dx))
    const fromY = Math.max(0, Math.min(height - 1, y + dy))
    return pixels[(fromY * width + fromX) * channels + (at % channels)]
  })
}

/** By a quarter turn, clockwise; a picture that is not square is brought to its own size again. */
function rotate(pixels: Float64Array, { height, width, channels }: Size): Float64Array {
  const bytes = Uint8Array.from(pixels, (pixel) => Math.max(0, Math.min(255, Math.round(pixel))))
  const turned = resize({ width, height, channels, data: bytes }, height, width)
  const source = height === width ? pixels : turned.data
  return pixels.map((_, at) => {
    const x = Math.floor(at / channels) % width
    const y = Math.floor(at / channels / width)
    return source[((width - 1 - x) * height + y) * channels + (at % channels)]
  })
}
