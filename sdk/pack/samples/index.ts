/** Samples for fitting, calibrating and evaluating a guard: folders of pictures, NumPy arrays, IDX files. Node only. */

import { stat } from 'node:fs/promises'
import { basename } from 'node:path'
import type { ValueEntry } from '../../container/manifest.ts'
import { HardpackError, messageOf, shuffled } from '../../core/index.ts'
import { idxSamples, npySamples } from './arrays.ts'
import { folderSamples } from './folder.ts'
import { isIdxName } from './idx.ts'
import type { Preprocess } from './preprocess.ts'
import { type SampleSet, subset } from './sample-set.ts'

export { decodePicture, type Picture, pngOf } from './picture.ts'
export { type PictureFormat, type Preprocess, parsePreprocess, pictureFormat, valueRange } from './preprocess.ts'
export { changed, checkCount, type SampleSet, split, subset, tensorSamples } from './sample-set.ts'

export interface SampleOptions {
  /** The input of the model that the samples are for. */
  readonly input: ValueEntry
  /** How pictures become that input; what is left out follows from its shape and type. */
  readonly preprocess?: Preprocess
  /** At most so many samples, drawn at random, in the order of the file. */
  readonly limit?: number
  /** Of that draw; 0 unless told. */
  readonly seed?: number
}

/**
 * Opens a set of samples: a folder of PNG or JPEG pictures whose sub-folders are classes, a `.npy` file, or an IDX file. Data
 * is read when a batch is asked for, save IDX files, which are held as bytes.
 *
 * @throws HardpackError `IO` for what cannot be read, `INVALID_INPUT` for what holds no samples of this input,
 *   `INVALID_ARGUMENT` for a limit that is no positive integer or preprocessing that does not fit the input.
 * @example
 * const clean = await openSamples('photos', { input: model.inputs[0], preprocess: parsePreprocess('range=0..1'), limit: 2000 })
 * const images = await clean.batch([0, 1, 2]) // float32 [3, 3, 224, 224]
 */
export async function openSamples(path: string, options: SampleOptions): Promise<SampleSet> {
  const { limit, seed = 0 } = options
  if (limit !== undefined && !(Number.isInteger(limit) && limit >= 1)) {
    throw new HardpackError('INVALID_ARGUMENT', `A limit of samples expected a positive integer, got ${limit}.`)
  }
  const set = await openAll(path, options)
  if (limit === undefined || limit >= set.count) return set
  return subset(
    set,
    shuffled(set.count, seed)
      .slice(0, limit)
      .sort((a, b) => a - b),
  )
}

async function openAll(path: string, { input, preprocess }: SampleOptions): Promise<SampleSet> {
  const there = await stat(path).catch((error) => {
    throw new HardpackError('IO', `Samples expected a path that can be read, got "${path}" (${messageOf(error)}).`, {
      hint: 'Check the path.',
      cause: error,
    })
  })
  if (there.isDirectory()) return folderSamples(path, input, preprocess)
  if (/\.npy$/i.test(path)) return npySamples(path, input, preprocess)
  if (isIdxName(basename(path))) return idxSamples(path, input, preprocess)
  throw new HardpackError('INVALID_INPUT', `Samples expected a folder, a .npy file or an IDX file, got "${path}".`, {
    hint: 'Put pictures into a folder, or save an array with numpy.save.',
  })
}
