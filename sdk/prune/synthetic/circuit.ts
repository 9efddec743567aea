/**
 * Pictures drawn from a probabilistic circuit: a hidden Markov tree over a picture that is halved until its pieces are a few
 * pixels small (Crouse, Nowak and Baraniuk, IEEE Trans. SP 1998). Every piece has a hidden state: a brightness, two colours
 * and a contrast, out of a few values each. As a circuit: a product over two halves, which share no pixel (decomposable),
 * under a sum over the states of a piece, whose children are all over the same pixels (smooth), down to leaves, which are
 * Gaussians over the cosine coefficients of a small square. Sampled from the root down: at each sum a child is drawn.
 *
 * Nothing is learned: weights are set so that the spectrum falls with the square of the frequency, as that of photographs
 * does. A halving changes a state by steps of equal variance, and the variance of a coefficient falls with its frequency.
 */

import { normal, type Rng } from '../../core/index.ts'
import type { Pixels } from '../../pack/samples/resize.ts'

/** Values of brightness, and of each colour: steps of `STEP` pixel values. */
const LEVELS = 32
const STEP = 8
const COLOURS = 17
/** Deviation, in steps, of a half's brightness and colour from that of the whole. */
const BRIGHTNESS_CHANGE = 2.2
const COLOUR_CHANGE = 0.6
/** Contrasts: deviation of a coefficient at the lowest frequency, in pixel values. */
const CONTRASTS = [0, 3, 8, 18]
/** Chance that a half has another contrast than the whole. */
const CONTRAST_CHANGE = 0.2
/** Sides of the squares that are leaves. */
const LEAF = 4

interface State {
  readonly brightness: number
  readonly colours: readonly [number, number]
  readonly contrast: number
}

interface Piece {
  readonly top: number
  readonly left: number
  readonly height: number
  readonly width: number
}

/**
 * One picture.
 *
 * @example
 * circuitSample({ height: 32, width: 32, channels: 3 }, rng(0, 7)).data.length // 3072
 */
export function circuitSample(
  size: { readonly height: number; readonly width: number; readonly channels: 1 | 3 },
  random: Rng,
): Pixels {
  const { height, width, channels } = size
  const data = new Uint8Array(height * width * channels)
  const fill = (piece: Piece, state: State): void => {
    const { top, left } = piece
    if (piece.height <= LEAF && piece.width <= LEAF) {
      const texture = leafOf(piece, CONTRASTS[state.contrast], random)
      for (const [i, value] of texture.entries()) {
        const at = (top + Math.floor(i / piece.width)) * width + left + (i % piece.width)
        const pixel = colourOf(state, channels)
        for (let c = 0; c < channels; c++) {
          data[at * channels + c] = Math.round(Math.max(0, Math.min(255, pixel[c] + value)))
        }
      }
      return
    }
    for (const half of halves(piece)) fill(half, childOf(state, random))
  }
  fill({ top: 0, left: 0, height, width }, root(random))
  return { ...size, data }
}

function root(random: Rng): State {
  const colour = (): number => clamp((COLOURS - 1) / 2 + Math.round(2 * normal(random)), COLOURS)
  return {
    brightness: random.below(LEVELS),
    colours: [colour(), colour()],
    contrast: random.below(CONTRASTS.length),
  }
}

/** Draws the state of a half: a child of the sum that the whole's state chose. */
function childOf({ brightness, colours, contrast }: State, random: Rng): State {
  const step = (value: number, deviation: number, count: number): number =>
    clamp(value + Math.round(deviation * normal(random)), count)
  return {
    brightness: step(brightness, BRIGHTNESS_CHANGE, LEVELS),
    colours: [step(colours[0], COLOUR_CHANGE, COLOURS), step(colours[1], COLOUR_CHANGE, COLOURS)],
    contrast: random.uniform() < CONTRAST_CHANGE ? random.below(CONTRASTS.length) : contrast,
  }
}

const clamp = (value: number, count: number): number => Math.max(0, Math.min(count - 1, value))

function colourOf({ brightness, colours }: State, channels: 1 | 3): number[] {
  const grey = STEP * brightness
  if (channels === 1) return [grey]
  const [warmth, green] = colours.map((colour) => STEP * (colour - (COLOURS - 1) / 2))
  return [grey + warmth, grey + green, grey - warmth]
}

function halves({ top, left, height, width }: Piece): [Piece, Piece] {
  if (height >= width) {
    const upper = height >> 1
    return [
      { top, left, height: upper, width },
      { top: top + upper, left, height: height - upper, width },
    ]
  }
  const first = width >> 1
  return [
    { top, left, height, width: first },
    { top, left: left + first, height, width: width - first },
  ]
}

/** A square of independent cosine coefficients; the constant one belongs to the state. */
function leafOf({ height, width }: Piece, deviation: number, random: Rng): Float64Array {
  const values = new Float64Array(height * width)
  for (let v = 0; v < height; v++) {
    for (let u = 0; u < width; u++) {
      if (u + v === 0) continue
      const amplitude = (deviation * normal(random)) / Math.hypot(u, v)
      for (const i of values.keys()) {
        const [row, column] = [Math.floor(i / width), i % width]
        values[i] +=
          amplitude * Math.cos((Math.PI * v * (row + 0.5)) / height) * Math.cos((Math.PI * u * (column + 0.5)) / width)
      }
    }
  }
  return values
}
