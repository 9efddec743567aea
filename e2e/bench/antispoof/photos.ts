/**
 * The sample photos, and crops for a guard to be made on. There are two genuine photos only, so the clean samples are many
 * crops of these, each a little elsewhere, larger or smaller, lighter or darker, and with noise.
 */

import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { rng, type Tensor } from '../../../sdk/core/index.ts'
import type { Samples } from '../../../sdk/pack/guard/samples.ts'
import { decodePicture, pixelsOf } from '../../../sdk/pack/samples/picture.ts'
import type { Box, Pixels } from '../../../sdk/pack/samples/resize.ts'
import { cropSquare, cropTensor, SURROUNDINGS, squareAround } from './chain.ts'

interface Listed {
  /** Below the folder `faces`. */
  readonly file: string
  /** The species of the attack, in the words of ISO/IEC 30107-3; none for a bona fide presentation. */
  readonly attack?: string
}

const PHOTOS: readonly Listed[] = [
  { file: 'spoof-sample-real-T1.jpg' },
  { file: 'astronaut.png' },
  { file: 'spoof-sample-fake-F1.jpg', attack: 'print' },
]

export interface Photo extends Listed {
  readonly path: string
  /** Upright, red, green and blue. */
  readonly pixels: Pixels
}

/** The photos of a data folder; a sentence where one is not there. */
export async function readPhotos(folder: string): Promise<readonly Photo[] | string> {
  const paths = PHOTOS.map(({ file }) => join(folder, 'faces', file))
  const missing = paths.find((path) => !existsSync(path))
  if (missing !== undefined) return `The data folder has no "${missing.slice(folder.length + 1)}".`
  return Promise.all(
    PHOTOS.map(async (photo, i) => {
      const picture = decodePicture(await readFile(paths[i]), photo.file)
      return { ...photo, path: paths[i], pixels: pixelsOf(picture, 3) }
    }),
  )
}

const SEED = 30107

/** How far a crop strays from the face that was found. */
const JITTER = {
  /** Of the face's longer side, each way. */
  shift: 0.08,
  surroundings: 0.15,
  brightness: 0.15,
  /** Of the range of a pixel, each way, at most; half of the crops have none: where all had some, both photos were rejected. */
  noise: 0.03,
}

/**
 * Jittered crops of faces, in turn.
 *
 * @param stream sets of different streams share no crop
 * @param side of the classifier's input
 */
export function jitteredCrops(
  faces: readonly { readonly pixels: Pixels; readonly box: Box }[],
  count: number,
  stream: number,
  side: number,
): Samples {
  const size = 3 * side * side
  const data = new Float32Array(count * size)
  for (let i = 0; i < count; i++) {
    const { pixels, box } = faces[i % faces.length]
    const random = rng(SEED, (stream << 16) + i)
    const within = (range: number): number => range * (2 * random.uniform() - 1)
    const long = Math.max(box.right - box.left, box.bottom - box.top)
    const [dx, dy] = [within(JITTER.shift) * long, within(JITTER.shift) * long]
    const moved = { left: box.left + dx, top: box.top + dy, right: box.right + dx, bottom: box.bottom + dy }
    const square = squareAround(moved, SURROUNDINGS + within(JITTER.surroundings))
    const light = 1 + within(JITTER.brightness)
    const noise = Math.max(0, within(JITTER.noise))
    const crop = cropTensor(cropSquare(pixels, square), side).data
    for (let k = 0; k < size; k++) {
      data[i * size + k] = Math.min(1, Math.max(0, light * Number(crop[k]) + within(noise)))
    }
  }
  return {
    count,
    labels: new Int32Array(count),
    classes: ['genuine'],
    async batch(indices): Promise<Tensor> {
      const rows = new Float32Array(indices.length * size)
      for (const [row, i] of indices.entries()) rows.set(data.subarray(i * size, (i + 1) * size), row * size)
      return { dtype: 'float32', shape: [indices.length, 3, side, side], data: rows }
    },
  }
}
