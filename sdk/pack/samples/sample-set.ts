/** Sets of samples: what a guard is fitted, calibrated and evaluated on. Read a batch at a time. */

import type { ValueEntry } from '../../container/manifest.ts'
import { HardpackError, shuffled, type Tensor } from '../../core/index.ts'
import { type Picture, pictureOf } from './picture.ts'
import { numbersOf, numberTensor, type PictureFormat, pixelValuesOf, valuesOf, valuesPicture } from './preprocess.ts'
import type { Pixels } from './resize.ts'

export interface SampleSet {
  /** For people: the path that it was read from. */
  readonly name: string
  readonly count: number
  /** The class of each sample, where it is known. */
  readonly labels?: Int32Array
  /** The name of each class, where classes have names. */
  readonly classes?: readonly string[]
  /** What each sample is called, such as its file. */
  readonly names: readonly string[]
  /** How values are pixels; not there where samples are no pictures. */
  readonly format?: PictureFormat
  /** The model's input for some of the samples, `[indices.length, …]`. */
  batch(indices: readonly number[]): Promise<Tensor>
  /** What the model sees of a sample, for a report; `undefined` where samples are no pictures. */
  picture(index: number): Promise<Picture | undefined>
}

/**
 * Some samples of a set, in the order of `indices`.
 *
 * @throws HardpackError `INVALID_ARGUMENT` for an index outside the set.
 */
export function subset(set: SampleSet, indices: readonly number[]): SampleSet {
  const odd = indices.find((index) => !(Number.isInteger(index) && index >= 0 && index < set.count))
  if (odd !== undefined) {
    throw new HardpackError('INVALID_ARGUMENT', `"${set.name}" expected samples 0 to ${set.count - 1}, got ${odd}.`)
  }
  return {
    ...set,
    count: indices.length,
    labels: set.labels && Int32Array.from(indices, (index) => set.labels?.[index] ?? 0),
    names: indices.map((index) => set.names[index]),
    batch: (chosen) => set.batch(chosen.map((i) => indices[i])),
    picture: (index) => set.picture(indices[index]),
  }
}

/**
 * Splits a set at random into parts that share no sample, so that what a guard was fitted on never calibrates it. Parts are
 * drawn without regard to classes: then a calibration sample and a new one are exchangeable, as conformal p-values ask.
 *
 * @param fractions the share of each part, positive, together at most 1
 * @param seed the same seed gives the same parts; 0 unless told
 * @param fit the part, by index, whose classes each need two samples; none unless told
 * @throws HardpackError `INVALID_ARGUMENT` for fractions that are none, a part that would be empty, or a class of which the
 *   part to fit on has fewer than two samples.
 * @example
 * const [fit, calibration] = split(samples, [0.5, 0.5], { seed: 1, fit: 0 })
 */
export function split(
  set: SampleSet,
  fractions: readonly number[],
  { seed = 0, fit }: { seed?: number; fit?: number } = {},
): SampleSet[] {
  const total = fractions.reduce((sum, fraction) => sum + fraction, 0)
  if (fractions.length === 0 || !fractions.every((fraction) => fraction > 0) || !(total <= 1 + 1e-9)) {
    throw new HardpackError(
      'INVALID_ARGUMENT',
      `A split expected positive fractions that add up to at most 1, got ${fractions.join(', ') || 'none'}.`,
    )
  }
  const order = shuffled(set.count, seed)
  const bounds = [0]
  let share = 0
  for (const fraction of fractions) {
    share += fraction
    bounds.push(Math.min(set.count, Math.round(share * set.count)))
  }
  return fractions.map((fraction, part) => {
    const indices = order.slice(bounds[part], bounds[part + 1]).sort((a, b) => a - b)
    if (indices.length === 0) {
      throw new HardpackError(
        'INVALID_ARGUMENT',
        `A split of "${set.name}" expected samples for every part, got ${set.count} for ${fractions.join(' : ')}.`,
        { hint: `Give at least ${Math.ceil(1 / fraction)} samples.` },
      )
    }
    const chosen = subset(set, indices)
    if (part === fit) checkClasses(set, chosen)
    return chosen
  })
}

/** Every class of the whole set needs two samples in the part that is fitted: one has no spread. */
function checkClasses(set: SampleSet, part: SampleSet): void {
  if (!set.labels || !part.labels) return
  const samples = new Map<number, number>()
  for (const label of set.labels) samples.set(label, 0)
  for (const label of part.labels) samples.set(label, (samples.get(label) ?? 0) + 1)
  for (const [label, count] of samples) {
    if (count >= 2) continue
    throw new HardpackError(
      'INVALID_ARGUMENT',
      `A fit on "${set.name}" expected at least 2 samples of each class, got ${count} of class "${set.classes?.[label] ?? label}".`,
      { hint: 'Add samples of this class or leave it out.' },
    )
  }
}

/**
 * Checks that there are enough samples for what they are meant for.
 *
 * @throws HardpackError `INVALID_ARGUMENT`
 * @example
 * checkCount(calibration, 99, 'calibration for a false-alarm rate of 0.01')
 */
export function checkCount(set: SampleSet, least: number, purpose: string): void {
  if (set.count >= least) return
  throw new HardpackError(
    'INVALID_ARGUMENT',
    `${purpose.charAt(0).toUpperCase()}${purpose.slice(1)} expected at least ${least} samples, got ${set.count} in "${set.name}".`,
    { hint: 'Give more samples.' },
  )
}

/** Samples whose pixels, at the model's size, are read one by one. */
export function pixelSamples(
  name: string,
  names: readonly string[],
  format: PictureFormat,
  input: ValueEntry,
  read: (index: number) => Promise<Pixels>,
): SampleSet {
  const { height, width, channels, layout } = format
  const sides = layout === 'nchw' ? [channels, height, width] : [height, width, channels]
  const dims = input.shape.length === 3 ? [height, width] : sides
  const size = height * width * channels
  return {
    name,
    count: names.length,
    names,
    format,
    async batch(indices) {
      const values = new Float64Array(indices.length * size)
      for (const [row, index] of indices.entries()) values.set(valuesOf((await read(index)).data, format), row * size)
      return numberTensor(input.dtype, [indices.length, ...dims], values)
    },
    picture: async (index) => pictureOf(await read(index)),
  }
}

/**
 * A set over a tensor in memory, such as the results of an attack: one sample a row.
 *
 * @param format how the values are pixels, where they are
 */
export function tensorSamples(name: string, tensor: Tensor, format?: PictureFormat): SampleSet {
  const [count = 0, ...dims] = tensor.shape
  const size = dims.reduce((product, dim) => product * dim, 1)
  return {
    name,
    count,
    names: Array.from({ length: count }, (_, i) => `${name} ${i}`),
    format,
    async batch(indices) {
      const values = new Float64Array(indices.length * size)
      for (const [row, index] of indices.entries())
        values.set(numbersOf(tensor, index * size, (index + 1) * size), row * size)
      return numberTensor(tensor.dtype, [indices.length, ...dims], values)
    },
    picture: async (index) => format && valuesPicture(numbersOf(tensor, index * size, (index + 1) * size), format),
  }
}

/**
 * The samples of a set, each changed as a picture. For shifts and synthetic outliers.
 *
 * @param change takes the pixels of a sample, 0 to 255, row by row, red first, and the sample's number; what it gives is cut
 *   to 0 … 255
 * @throws HardpackError `INVALID_ARGUMENT` where samples are no pictures.
 */
export function changed(
  set: SampleSet,
  name: string,
  change: (pixels: Float64Array, index: number, format: PictureFormat) => Float64Array,
): SampleSet {
  const { format } = set
  if (!format) {
    throw new HardpackError(
      'INVALID_ARGUMENT',
      `"${name}" expected pictures to change, got the samples of "${set.name}", which are none.`,
    )
  }
  const batch = async (indices: readonly number[]): Promise<Tensor> => {
    const tensor = await set.batch(indices)
    const size = tensor.data.length / Math.max(1, indices.length)
    const values = new Float64Array(tensor.data.length)
    for (const [row, index] of indices.entries()) {
      const pixels = pixelValuesOf(numbersOf(tensor, row * size, (row + 1) * size), format)
      const result = change(pixels, index, format).map((pixel) => Math.max(0, Math.min(255, pixel)))
      values.set(valuesOf(result, format), row * size)
    }
    return numberTensor(tensor.dtype, tensor.shape, values)
  }
  return {
    ...set,
    name,
    batch,
    picture: async (index) => valuesPicture(numbersOf(await batch([index])), format),
  }
}
