/**
 * Face anti-spoofing from a photo to a verdict: a detector finds the face, a classifier with a guard judges the crop around
 * it. The same code runs in Node and in a page. Pixels go the way that both models were trained behind: the detector
 * (UltraFace) takes the whole photo stretched, (x − 127) / 128; the classifier (MiniFASNet) a square of 1.5 times the face,
 * mirrored where it leaves the photo, 0 … 1.
 */

import type { Action, Model, Reason, Tensor, Verdict } from '../../../sdk/index.ts'
import { type Box, type Pixels, resize } from '../../../sdk/pack/samples/resize.ts'

export interface Face {
  /** In pixels of the photo. */
  readonly box: Box
  /** 0 to 1. */
  readonly score: number
}

/** What was made of one photo. */
export interface Look {
  readonly face?: Face
  /** NaN where there is no face, or the guard withholds the output. */
  readonly real: number
  /** `none` where there is no face or no output. */
  readonly label: 'real' | 'spoof' | 'none'
  /** The guard's; `reject` where there is no face. */
  readonly action: Action
  readonly p: number
  readonly reasons: readonly Reason[]
  readonly degraded?: string
}

export interface Chain {
  readonly detector: Model
  readonly classifier: Model
}

/** How much of the surroundings the classifier sees: the side of the crop by the longer side of the face. */
export const SURROUNDINGS = 1.5

const LEAST_FACE = 0.5

/**
 * Finds a face and judges it.
 *
 * @param photo upright, red, green and blue
 * @throws HardpackError as `Model.run` does.
 */
export async function look({ detector, classifier }: Chain, photo: Pixels): Promise<Look> {
  const face = await findFace(detector, photo)
  if (!face) return { real: Number.NaN, label: 'none', action: 'reject', p: Number.NaN, reasons: [] }
  const [input] = classifier.inputs
  const side = Number(input.shape[2])
  const crop = cropTensor(cropSquare(photo, squareAround(face.box)), side)
  const { outputs, verdict } = await classifier.run({ [input.name]: crop })
  if (!verdict) throw new Error('the classifier has no guard')
  const logits = outputs[classifier.outputs[0].name]
  const real = logits ? shareOfFirst(logits) : Number.NaN
  const label = Number.isNaN(real) ? 'none' : real > 0.5 ? 'real' : 'spoof'
  return { face, real, label, ...judged(verdict) }
}

const judged = ({ action, p, reasons, degraded }: Verdict): Pick<Look, 'action' | 'p' | 'reasons' | 'degraded'> => ({
  action,
  p,
  reasons,
  ...(degraded === undefined ? {} : { degraded }),
})

/** Softmax of two logits, the first. */
function shareOfFirst({ data }: Tensor): number {
  return 1 / (1 + Math.exp(Number(data[1]) - Number(data[0])))
}

/**
 * The face with the highest score. One face a photo is all that is wanted, so nothing has to be suppressed.
 *
 * @param detector input `[1, 3, height, width]`; outputs `scores` `[1, n, 2]` (background, face) and `boxes` `[1, n, 4]` (left,
 *   top, right, bottom, 0 to 1)
 */
export async function findFace(detector: Model, photo: Pixels): Promise<Face | undefined> {
  const [input] = detector.inputs
  const [, , height, width] = input.shape.map(Number)
  const whole = planes(resize(photo, width, height), (pixel) => (pixel - 127) / 128)
  const { outputs } = await detector.run({ [input.name]: whole })
  const scores = outputs.scores.data
  let best = 0
  for (let i = 0; 2 * i < scores.length; i++) if (scores[2 * i + 1] > scores[2 * best + 1]) best = i
  const score = Number(scores[2 * best + 1])
  if (!(score >= LEAST_FACE)) return undefined
  const [left, top, right, bottom] = Array.from(outputs.boxes.data.subarray(4 * best, 4 * best + 4), Number)
  return {
    box: {
      left: left * photo.width,
      top: top * photo.height,
      right: right * photo.width,
      bottom: bottom * photo.height,
    },
    score,
  }
}

/** A square of whole pixels around the middle of a box; it may leave the photo. */
export interface Square {
  readonly left: number
  readonly top: number
  readonly side: number
}

export function squareAround({ left, top, right, bottom }: Box, surroundings = SURROUNDINGS): Square {
  const side = Math.max(right - left, bottom - top) * surroundings
  return {
    left: Math.trunc((left + right) / 2 - side / 2),
    top: Math.trunc((top + bottom) / 2 - side / 2),
    side: Math.max(1, Math.trunc(side)),
  }
}

/** The pixels of a square; what lies outside the photo is mirrored at its edge, which is not repeated (cv2.BORDER_REFLECT_101). */
export function cropSquare({ width, height, channels, data }: Pixels, { left, top, side }: Square): Pixels {
  const crop = new Uint8Array(side * side * channels)
  for (let y = 0; y < side; y++) {
    const row = mirrored(top + y, height) * width
    for (let x = 0; x < side; x++) {
      const from = (row + mirrored(left + x, width)) * channels
      for (let c = 0; c < channels; c++) crop[(y * side + x) * channels + c] = data[from + c]
    }
  }
  return { width: side, height: side, channels, data: crop }
}

function mirrored(at: number, size: number): number {
  if (size === 1) return 0
  const period = 2 * (size - 1)
  const folded = ((at % period) + period) % period
  return folded < size ? folded : period - folded
}

/** A crop as the classifier takes it: `[1, 3, side, side]`, 0 to 1. */
export function cropTensor(crop: Pixels, side: number): Tensor {
  return planes(resize(crop, side, side), (pixel) => pixel / 255)
}

/** Interleaved colours as planes, `[1, channels, height, width]`. */
function planes({ width, height, channels, data }: Pixels, value: (pixel: number) => number): Tensor {
  const plane = width * height
  const values = new Float32Array(channels * plane)
  for (let i = 0; i < plane; i++)
    for (let c = 0; c < channels; c++) values[c * plane + i] = value(data[i * channels + c])
  return { dtype: 'float32', shape: [1, channels, height, width], data: values }
}

const TIMES = 5
/** A look that takes longer, as on a software WebGPU adapter, is repeated once only. */
const LONG_MS = 1000

/** The look at a photo, and how long it takes in the median of further ones: milliseconds from pixels to verdict. */
export async function timedLook(chain: Chain, photo: Pixels): Promise<{ look: Look; ms: number }> {
  const timed = async (): Promise<{ look: Look; ms: number }> => {
    const before = performance.now()
    return { look: await look(chain, photo), ms: performance.now() - before }
  }
  const first = await timed()
  const times: number[] = []
  const repeats = first.ms > LONG_MS ? 1 : TIMES
  for (let time = 0; time < repeats; time++) times.push((await timed()).ms)
  times.sort((a, b) => a - b)
  return { look: first.look, ms: times[repeats >> 1] }
}
