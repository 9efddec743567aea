/** A folder of pictures; its sub-folders, sorted by name, are the classes. Each picture is read when it is asked for. */

import { readdir } from 'node:fs/promises'
import { join, relative, sep } from 'node:path'
import type { ValueEntry } from '../../container/manifest.ts'
import { HardpackError, messageOf } from '../../core/index.ts'
import { readWhole } from '../file.ts'
import { decodePicture } from './picture.ts'
import { fitPicture, type Preprocess, pictureFormat } from './preprocess.ts'
import type { Pixels } from './resize.ts'
import { pixelSamples, type SampleSet } from './sample-set.ts'

const byName = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)

/** Pictures under a folder at any depth, sorted; hidden files and files of other kinds are passed over. */
async function picturesUnder(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true })
  const found = await Promise.all(
    entries
      .filter(({ name }) => !name.startsWith('.'))
      .map(async (entry) => {
        const path = join(folder, entry.name)
        if (entry.isDirectory()) return picturesUnder(path)
        return /\.(png|jpe?g)$/i.test(entry.name) ? [path] : []
      }),
  )
  return found.flat().sort(byName)
}

/**
 * The pictures of a folder as samples.
 *
 * @throws HardpackError `IO` for a folder that cannot be read; `INVALID_INPUT` for one without pictures, or with pictures both
 *   beside its sub-folders and in them; `INVALID_ARGUMENT` as `pictureFormat` does. `batch` throws `INVALID_INPUT` that names
 *   a picture which does not decode.
 */
export async function folderSamples(folder: string, input: ValueEntry, preprocess?: Preprocess): Promise<SampleSet> {
  const format = pictureFormat(input, preprocess)
  const paths = await picturesUnder(folder).catch((error) => {
    throw new HardpackError(
      'IO',
      `Samples expected a folder that can be read, got "${folder}" (${messageOf(error)}).`,
      {
        hint: 'Check the path.',
        cause: error,
      },
    )
  })
  if (paths.length === 0) {
    throw new HardpackError('INVALID_INPUT', `"${folder}" expected PNG or JPEG pictures, got none.`, {
      hint: 'Put pictures into it, or into one sub-folder a class.',
    })
  }
  const names = paths.map((path) => relative(folder, path).split(sep).join('/'))
  const isNested = names.map((name) => name.includes('/'))
  if (isNested.includes(true) && isNested.includes(false)) {
    throw new HardpackError(
      'INVALID_INPUT',
      `"${folder}" expected all pictures in sub-folders or none, got "${names[isNested.indexOf(false)]}" beside "${names[isNested.indexOf(true)]}".`,
      { hint: 'Sub-folders are classes: move the other pictures into one.' },
    )
  }
  return { ...pixelSamples(folder, names, format, input, read), ...(isNested[0] ? classesOf(names) : {}) }

  async function read(index: number): Promise<Pixels> {
    return fitPicture(decodePicture(await readWhole(paths[index]), paths[index]), format)
  }
}

function classesOf(names: readonly string[]): { labels: Int32Array; classes: string[] } {
  const owners = names.map((name) => name.slice(0, name.indexOf('/')))
  const classes = [...new Set(owners)].sort(byName)
  const numbers = new Map(classes.map((name, i) => [name, i]))
  return { labels: Int32Array.from(owners, (owner) => numbers.get(owner) ?? 0), classes }
}
