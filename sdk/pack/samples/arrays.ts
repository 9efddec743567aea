/** Samples from one file of numbers: NumPy arrays, read a row at a time, and IDX files. */

import { access } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import type { ValueEntry } from '../../container/manifest.ts'
import { byteLength, type DType, elementCount, HardpackError, tensorOf } from '../../core/index.ts'
import { fileSource, readWhole } from '../file.ts'
import { idxLabelNames, readIdx } from './idx.ts'
import { type NpyHeader, parseNpy, readNpyHeader } from './npy.ts'
import { pictureOf } from './picture.ts'
import {
  fitPicture,
  numbersOf,
  numberTensor,
  type PictureFormat,
  type Preprocess,
  pictureFormat,
  valuesPicture,
} from './preprocess.ts'
import type { Pixels } from './resize.ts'
import { pixelSamples, type SampleSet } from './sample-set.ts'

const FLOATS: readonly DType[] = ['float16', 'float32', 'float64']
const MOST_LABEL = 2 ** 20

/**
 * The samples of a `.npy` file `[n, …]`, with labels from `<name>-labels.npy` beside it where that exists. Floats, and
 * integers of the model's own type, are the model's input as they are; bytes for a model that takes floats are pixels
 * `[n, height, width]`, `[n, height, width, 1 | 3]` or `[n, 1 | 3, height, width]`, and are prepared as pictures are.
 *
 * @throws HardpackError `IO`; `INVALID_INPUT` for another type, or a shape that is not the model's, with both shapes.
 */
export async function npySamples(path: string, input: ValueEntry, preprocess?: Preprocess): Promise<SampleSet> {
  const file = await fileSource(path)
  const header = await readNpyHeader(file, path).finally(() => file.close())
  const { dtype, shape } = header
  const refuse = (hint: string): never => {
    throw new HardpackError(
      'INVALID_INPUT',
      `"${path}" expected samples for input "${input.name}" of ${input.dtype}[${input.shape.join(',')}], got ${dtype}[${shape.join(',')}].`,
      { hint },
    )
  }
  const isReady = dtype === input.dtype || (FLOATS.includes(dtype) && FLOATS.includes(input.dtype))
  const sampleShape = isReady ? matchShape(shape.slice(1), input) : undefined
  const names = Array.from({ length: shape[0] ?? 0 }, (_, i) => `${basename(path)} ${i}`)
  const labels = await npyLabels(path, names.length)
  const withLabels = labels ? { labels } : {}
  if (names.length === 0) return refuse('Give at least one sample.')
  if (sampleShape) return { ...readySamples(path, header, names, input, sampleShape, preprocess), ...withLabels }
  if (dtype !== 'uint8') return refuse('Save one sample a row in the shape of the input, or bytes that are pixels.')
  const sides = pixelShape(shape) ?? refuse('Save bytes as [n,height,width] or [n,height,width,3].')
  const format = pictureFormat(input, preprocess)
  const read = async (index: number): Promise<Pixels> => {
    const row = await readRow(path, header, index)
    return fitPicture(pictureOf(interleave(row, sides)), format)
  }
  return { ...pixelSamples(path, names, format, input, read), ...withLabels }
}

/**
 * The samples of an IDX file of bytes, gzipped or not, `[n, height, width]` or `[n, height, width, 3]`; labels from the file
 * of the same name with `labels` for `images`, where it lies beside it.
 *
 * @throws HardpackError `IO`; `INVALID_INPUT` for what is no such file, or as many labels as there are no images.
 */
export async function idxSamples(path: string, input: ValueEntry, preprocess?: Preprocess): Promise<SampleSet> {
  const format = pictureFormat(input, preprocess)
  const { shape, data } = await readIdx(path)
  const sides = pixelShape(shape)
  if (!sides || shape[0] === 0) {
    throw new HardpackError(
      'INVALID_INPUT',
      `"${path}" expected images for input "${input.name}" [${input.shape.join(',')}], got [${shape.join(',')}].`,
      { hint: 'Give the file of images, not the one of labels.' },
    )
  }
  const names = Array.from({ length: shape[0] }, (_, i) => `${basename(path)} ${i}`)
  const size = sides.height * sides.width * sides.channels
  const read = async (index: number): Promise<Pixels> =>
    fitPicture(pictureOf(interleave(data.subarray(index * size, (index + 1) * size), sides)), format)
  const labels = await idxLabels(path, names.length)
  return { ...pixelSamples(path, names, format, input, read), ...(labels ? { labels } : {}) }
}

interface Sides {
  readonly height: number
  readonly width: number
  readonly channels: 1 | 3
  /** Whole planes one after another, as in `[n, 3, height, width]`. */
  readonly isPlanar: boolean
}

function pixelShape(shape: readonly number[]): Sides | undefined {
  const [, ...dims] = shape
  const isColour = (dim: number): dim is 1 | 3 => dim === 1 || dim === 3
  if (dims.includes(0)) return undefined
  if (dims.length === 2) return { height: dims[0], width: dims[1], channels: 1, isPlanar: false }
  const [first, second, third] = dims
  if (dims.length !== 3) return undefined
  if (isColour(third)) return { height: first, width: second, channels: third, isPlanar: false }
  if (isColour(first)) return { height: second, width: third, channels: first, isPlanar: true }
  return undefined
}

function interleave(data: Uint8Array, { height, width, channels, isPlanar }: Sides): Pixels {
  if (!isPlanar || channels === 1) return { height, width, channels, data }
  const plane = height * width
  const pixels = Uint8Array.from(
    { length: data.length },
    (_, i) => data[(i % channels) * plane + Math.floor(i / channels)],
  )
  return { height, width, channels, data: pixels }
}

/**
 * The shape of a sample in the model's terms: that of the file where it fits dimension by dimension, else the model's own
 * where only ones differ.
 */
function matchShape(dims: readonly number[], { shape }: ValueEntry): number[] | undefined {
  const [, ...wanted] = shape
  const fits = dims.length === wanted.length && wanted.every((dim, i) => typeof dim === 'string' || dim === dims[i])
  if (fits) return [...dims]
  const fixed = wanted.filter((dim) => typeof dim === 'number')
  if (fixed.length !== wanted.length) return undefined
  const bare = (list: readonly number[]): string => list.filter((dim) => dim !== 1).join()
  return bare(fixed) === bare(dims) ? fixed : undefined
}

/** The bytes of one sample. */
async function readRow(
  path: string,
  { dtype, shape: [, ...dims], start }: NpyHeader,
  index: number,
): Promise<Uint8Array> {
  const length = byteLength(dtype, elementCount(dims))
  const source = await fileSource(path)
  return source.read(start + index * length, start + (index + 1) * length).finally(() => source.close())
}

/** Samples whose values are the model's input already. */
function readySamples(
  path: string,
  header: NpyHeader,
  names: readonly string[],
  input: ValueEntry,
  dims: readonly number[],
  preprocess?: Preprocess,
): SampleSet {
  const format = formatOf({ ...input, shape: ['n', ...dims] }, preprocess)
  const size = elementCount(dims)
  const read = async (index: number): Promise<Float64Array> =>
    numbersOf(tensorOf(header.dtype, [size], await readRow(path, header, index)))
  return {
    name: path,
    count: names.length,
    names,
    format,
    async batch(indices) {
      if (input.dtype === header.dtype) {
        const width = byteLength(header.dtype, size)
        const bytes = new Uint8Array(indices.length * width)
        for (const [row, index] of indices.entries()) bytes.set(await readRow(path, header, index), row * width)
        return tensorOf(header.dtype, [indices.length, ...dims], bytes)
      }
      const values = new Float64Array(indices.length * size)
      for (const [row, index] of indices.entries()) values.set(await read(index), row * size)
      return numberTensor(input.dtype, [indices.length, ...dims], values)
    },
    picture: async (index) => format && valuesPicture(await read(index), format),
  }
}

/** How the values are pixels, where the model takes pictures at all. */
function formatOf(input: ValueEntry, preprocess?: Preprocess): PictureFormat | undefined {
  try {
    return pictureFormat(input, preprocess && { ...preprocess, size: undefined })
  } catch (error) {
    if (error instanceof HardpackError && error.code === 'INVALID_ARGUMENT') return undefined
    throw error
  }
}

const exists = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  )

async function npyLabels(path: string, count: number): Promise<Int32Array | undefined> {
  const labels = path.replace(/\.npy$/i, '-labels.npy')
  if (!(await exists(labels))) return undefined
  const { shape, data } = parseNpy(await readWhole(labels), labels)
  return checkLabels(labels, shape, data, count)
}

async function idxLabels(path: string, count: number): Promise<Int32Array | undefined> {
  const candidates = idxLabelNames(basename(path)).map((name) => join(dirname(path), name))
  for (const labels of candidates) {
    if (!(await exists(labels))) continue
    const { shape, data } = await readIdx(labels)
    return checkLabels(labels, shape, data, count)
  }
  return undefined
}

function checkLabels(
  path: string,
  shape: readonly number[],
  data: ArrayLike<number | bigint>,
  count: number,
): Int32Array {
  const refuse = (got: string): never => {
    throw new HardpackError(
      'INVALID_INPUT',
      `"${path}" expected ${count} labels from 0 on, one a sample, got ${got}.`,
      {
        hint: 'Give the labels of these samples, or take the file away.',
      },
    )
  }
  if (shape.length !== 1 || shape[0] !== count) refuse(`[${shape.join(',')}]`)
  return Int32Array.from({ length: count }, (_, i) => {
    const label = Number(data[i])
    if (!(Number.isInteger(label) && label >= 0 && label < MOST_LABEL)) refuse(`${label} for sample ${i}`)
    return label
  })
}
