/**
 * Dead leaves: a picture as discs and rectangles that have fallen on one another (Matheron 1968). With radii of density r⁻³
 * edges, occlusion and power spectrum are those of natural images at every scale (Lee, Mumford and Huang, IJCV 2001), and
 * networks that are trained on such pictures learn useful features (Baradad et al., NeurIPS 2021). Drawn from front to back:
 * a pixel has the colour of the first leaf that covers it, so the picture is finished when all are covered (Kendall and
 * Thönnes 1999).
 */

import { normal, type Rng } from '../../core/index.ts'
import type { Pixels } from '../../pack/samples/resize.ts'

/** Radius of a picture's smallest leaf, as a share of its side: drawn between these, so that some are finer than others. */
const SMALLEST = [1 / 32, 1 / 6] as const
/** Smaller pictures are drawn at twice their size, so that edges have pixels between two colours. */
const SMOOTH_BELOW = 128
/** When less than this share of a picture is bare, the ground shows. */
const BARE = 0.002

/** Contrasts, and the deviation of brightness: photographs are not all exposed alike. */
const CONTRAST = [0.3, 1.1] as const
const BRIGHTNESS = 40

interface Leaf {
  readonly x: number
  readonly y: number
  readonly radius: number
  /** Of a rectangle: the direction of its longer axis, and the ratio of the axes; a disc has none. */
  readonly axis?: { readonly cos: number; readonly sin: number; readonly aspect: number }
  readonly colour: readonly number[]
  /** How much brighter a pixel is than its left or upper neighbour: a leaf is seldom lit evenly. */
  readonly slope: readonly [number, number]
}

/**
 * One picture.
 *
 * @param random where its leaves come from
 * @returns bytes, row by row
 * @example
 * deadLeaves({ height: 32, width: 32, channels: 3 }, rng(0, 7)).data.length // 3072
 */
export function deadLeaves(
  size: { readonly height: number; readonly width: number; readonly channels: 1 | 3 },
  random: Rng,
): Pixels {
  const fine = Math.min(size.height, size.width) < SMOOTH_BELOW ? 2 : 1
  const { channels } = size
  const [height, width] = [fine * size.height, fine * size.width]
  const values = new Float32Array(height * width * channels)
  const covered = new Uint8Array(height * width)
  let bare = height * width
  const side = Math.min(height, width)
  const smallest = side * SMALLEST[0] * (SMALLEST[1] / SMALLEST[0]) ** random.uniform()
  const largest = Math.max(height, width) / 2
  while (bare > BARE * height * width) {
    bare -= drop(leaf(height, width, smallest, largest, channels, random), values, covered, {
      height,
      width,
      channels,
    })
  }
  const ground = colourOf(channels, random)
  for (const [i, isCovered] of covered.entries()) if (!isCovered) values.set(ground, i * channels)
  const contrast = CONTRAST[0] + (CONTRAST[1] - CONTRAST[0]) * random.uniform()
  const light = 127.5 + BRIGHTNESS * normal(random)
  for (const [i, value] of values.entries()) values[i] = light + contrast * (value - 127.5)
  return { ...size, data: averaged(values, size, fine) }
}

function leaf(height: number, width: number, smallest: number, largest: number, channels: 1 | 3, random: Rng): Leaf {
  // The inverse of the distribution function of a density r⁻³ between two radii.
  const radius = (smallest ** -2 - random.uniform() * (smallest ** -2 - largest ** -2)) ** -0.5
  const x = random.uniform() * (width + 2 * radius) - radius
  const y = random.uniform() * (height + 2 * radius) - radius
  const angle = Math.PI * random.uniform()
  const isDisc = random.uniform() < 0.5
  const axis = { cos: Math.cos(angle), sin: Math.sin(angle), aspect: 0.3 + 0.7 * random.uniform() }
  const slope = [(20 * normal(random)) / radius, (20 * normal(random)) / radius] as const
  return { x, y, radius, colour: colourOf(channels, random), slope, ...(isDisc ? {} : { axis }) }
}

/** A brightness of any value, and a colour that differs less: channels of photographs are much alike. */
function colourOf(channels: 1 | 3, random: Rng): number[] {
  const brightness = 255 * random.uniform()
  if (channels === 1) return [brightness]
  const warmth = 25 * normal(random)
  const green = 12 * normal(random)
  return [brightness + warmth, brightness + green, brightness - warmth]
}

/** Lets a leaf fall under those that lie there. @returns how many pixels it covers that were bare */
function drop(
  { x, y, radius, axis, colour, slope }: Leaf,
  values: Float32Array,
  covered: Uint8Array,
  { height, width, channels }: { height: number; width: number; channels: number },
): number {
  let fresh = 0
  const top = Math.max(0, Math.ceil(y - radius))
  const bottom = Math.min(height - 1, Math.floor(y + radius))
  const left = Math.max(0, Math.ceil(x - radius))
  const right = Math.min(width - 1, Math.floor(x + radius))
  for (let row = top; row <= bottom; row++) {
    for (let column = left; column <= right; column++) {
      const at = row * width + column
      if (covered[at]) continue
      const [dx, dy] = [column - x, row - y]
      if (axis) {
        const along = Math.abs(dx * axis.cos + dy * axis.sin)
        const across = Math.abs(dy * axis.cos - dx * axis.sin)
        // The corners lie on the circle.
        const half = radius / Math.hypot(1, axis.aspect)
        if (along > half || across > half * axis.aspect) continue
      } else if (dx * dx + dy * dy > radius * radius) continue
      covered[at] = 1
      fresh++
      const light = slope[0] * dx + slope[1] * dy
      for (let c = 0; c < channels; c++) values[at * channels + c] = colour[c] + light
    }
  }
  return fresh
}

/** Means of squares of `fine × fine`, as bytes. */
function averaged(
  values: Float32Array,
  { height, width, channels }: { height: number; width: number; channels: number },
  fine: number,
): Uint8Array {
  const data = new Uint8Array(height * width * channels)
  for (let row = 0; row < height; row++) {
    for (let column = 0; column < width; column++) {
      for (let c = 0; c < channels; c++) {
        let sum = 0
        for (let i = 0; i < fine * fine; i++) {
          const at = (row * fine + Math.floor(i / fine)) * width * fine + column * fine + (i % fine)
          sum += Math.max(0, Math.min(255, values[at * channels + c]))
        }
        data[(row * width + column) * channels + c] = Math.round(sum / (fine * fine))
      }
    }
  }
  return data
}
