/**
 * From pixels to what a model takes, and back to pixels for a report. A value of channel c is `scale_c · pixel + offset_c`
 * with pixel 0 to 255: ranges, means and deviations are all of that form.
 */

import type { ValueEntry } from '../../container/manifest.ts'
import { type DType, fromBfloat16, fromFloat16, HardpackError, type Tensor, toFloat16 } from '../../core/index.ts'
import { type Picture, pictureOf, pixelsOf } from './picture.ts'
import { type Box, type Pixels, resize } from './resize.ts'

export type Order = 'rgb' | 'bgr' | 'gray'
export type Layout = 'nchw' | 'nhwc'

/** How a picture becomes the model's input. What is left out follows from the input's shape and type. */
export interface Preprocess {
  /** Height and width, where the model leaves them open. */
  readonly size?: readonly [number, number]
  /** `stretch` (default) changes the aspect; `center-crop` cuts the largest box of the right aspect from the middle. */
  readonly fit?: 'stretch' | 'center-crop'
  /** `rgb` unless told; `gray` where the model has one channel. */
  readonly order?: Order
  readonly layout?: Layout
  /** What pixel 0 and pixel 255 become before mean and deviation: 0 to 1 unless told; 0 to 255 for a model of uint8. */
  readonly range?: readonly [number, number]
  /** Subtracted, one a channel in the model's order or one for all. */
  readonly mean?: readonly number[]
  /** Divided by, as `mean`. */
  readonly std?: readonly number[]
}

/** A `Preprocess` made complete for one input of a model. */
export interface PictureFormat {
  readonly height: number
  readonly width: number
  readonly channels: 1 | 3
  readonly order: Order
  readonly layout: Layout
  readonly fit: 'stretch' | 'center-crop'
  readonly dtype: DType
  /** Value = `scale[c] · pixel + offset[c]`, pixel 0 to 255, c in the model's order. */
  readonly scale: readonly number[]
  readonly offset: readonly number[]
}

const WORDS = 'size, fit, order, layout, range, mean, std'

/**
 * Reads how pictures are prepared from words, as on the command line.
 *
 * @throws HardpackError `INVALID_ARGUMENT` for a word that is not known, or a value that is none of its kind.
 * @example
 * parsePreprocess('order=bgr range=0..255 mean=104,117,123') // { order: 'bgr', range: [0, 255], mean: [104, 117, 123] }
 */
export function parsePreprocess(text: string): Preprocess {
  const refuse = (expected: string, got: string): never => {
    throw new HardpackError('INVALID_ARGUMENT', `Preprocessing expected ${expected}, got "${got}".`, {
      hint: 'Write it like `range=0..1 order=rgb mean=0.485,0.456,0.406 std=0.229,0.224,0.225`.',
    })
  }
  const numbers = (word: string, list: readonly string[]): number[] => {
    const values = list.map(Number)
    if (values.length === 0 || list.some((item) => item.trim() === '') || !values.every(Number.isFinite)) {
      refuse('numbers', word)
    }
    return values
  }
  const result: { -readonly [Key in keyof Preprocess]: Preprocess[Key] } = {}
  const seen = new Set<string>()
  for (const word of text.split(/\s+/).filter(Boolean)) {
    const [key, value = ''] = word.split('=', 2)
    if (seen.has(key)) refuse('each word once', word)
    seen.add(key)
    if (key === 'fit' && (value === 'stretch' || value === 'center-crop')) result.fit = value
    else if (key === 'order' && (value === 'rgb' || value === 'bgr' || value === 'gray')) result.order = value
    else if (key === 'layout' && (value === 'nchw' || value === 'nhwc')) result.layout = value
    else if (key === 'range' && value.split('..').length === 2) {
      const [low, high] = numbers(word, value.split('..'))
      if (low === high) refuse('a range of two different numbers', word)
      result.range = [low, high]
    } else if (key === 'mean') result.mean = numbers(word, value.split(','))
    else if (key === 'std') {
      result.std = numbers(word, value.split(','))
      if (result.std.some((deviation) => deviation === 0)) refuse('deviations other than 0', word)
    } else if (key === 'size' && /^[1-9]\d{0,4}x[1-9]\d{0,4}$/.test(value)) {
      const [height, width] = numbers(word, value.split('x'))
      result.size = [height, width]
    } else refuse(`words among ${WORDS}`, word)
  }
  return result
}

const DEFAULT_RANGES: Partial<Record<DType, readonly [number, number]>> = {
  float32: [0, 1],
  float64: [0, 1],
  float16: [0, 1],
  uint8: [0, 255],
  int8: [-128, 127],
}

/**
 * Completes a `Preprocess` from the shape and type of the input that it is for.
 *
 * @param input float32, float64, float16, uint8 or int8; `[n, channels, height, width]`, `[n, height, width, channels]` or
 *   `[n, height, width]`, with 1 or 3 channels
 * @throws HardpackError `INVALID_ARGUMENT` for an input that takes no pictures, a size that is open, or as many means as
 *   there are no channels.
 * @example
 * pictureFormat({ name: 'image', dtype: 'float32', shape: ['n', 3, 224, 224] }).layout // 'nchw'
 */
export function pictureFormat(input: ValueEntry, preprocess: Preprocess = {}): PictureFormat {
  const written = `[${input.shape.join(',')}]`
  const refuse = (expected: string, got: string, hint?: string): never => {
    throw new HardpackError('INVALID_ARGUMENT', `Input "${input.name}" expected ${expected}, got ${got}.`, { hint })
  }
  const range = preprocess.range ?? DEFAULT_RANGES[input.dtype] ?? refuse('numbers that hold pixels', input.dtype)
  const [, ...dims] = input.shape
  const plain = dims.length === 2 ? [1, ...dims] : dims
  const isColour = (dim: number | string | undefined): dim is 1 | 3 => dim === 1 || dim === 3
  const layout = preprocess.layout ?? (isColour(plain[0]) ? 'nchw' : 'nhwc')
  const [channels, height, width] = layout === 'nchw' ? plain : [plain[2], plain[0], plain[1]]
  if (plain.length !== 3 || !isColour(channels)) {
    return refuse('the shape of pictures: [n, 1 or 3, height, width] or [n, height, width, 1 or 3]', written)
  }
  const [givenHeight, givenWidth] = preprocess.size ?? []
  const side = (dim: number | string, given: number | undefined): number => {
    if (typeof dim === 'number' && (given === undefined || given === dim)) return dim
    if (typeof dim === 'string' && given !== undefined) return given
    const got = given === undefined ? written : `size=${givenHeight}x${givenWidth} for ${written}`
    return refuse('a height and width', got, 'Say it with `size=HEIGHTxWIDTH`.')
  }
  const order = channels === 1 ? 'gray' : (preprocess.order ?? 'rgb')
  if (channels === 3 && order === 'gray') refuse('one channel for order=gray', written)
  if (channels === 1 && preprocess.order && preprocess.order !== 'gray')
    refuse(`three channels for order=${preprocess.order}`, written)
  const each = (list: readonly number[] | undefined, otherwise: number): number[] => {
    if (list && list.length !== 1 && list.length !== channels) {
      refuse(`${channels} means and deviations`, `${list.length}`)
    }
    return Array.from({ length: channels }, (_, c) => (list ? (list[c] ?? list[0]) : otherwise))
  }
  const mean = each(preprocess.mean, 0)
  const std = each(preprocess.std, 1)
  return {
    height: side(height, givenHeight),
    width: side(width, givenWidth),
    channels,
    order,
    layout,
    fit: preprocess.fit ?? 'stretch',
    dtype: input.dtype,
    scale: std.map((deviation) => (range[1] - range[0]) / 255 / deviation),
    offset: mean.map((centre, c) => (range[0] - centre) / std[c]),
  }
}

/** What pixels 0 and 255 become, over all channels. */
export function valueRange({ scale, offset }: PictureFormat): { min: number; max: number } {
  const ends = scale.flatMap((factor, c) => [offset[c], 255 * factor + offset[c]])
  return { min: Math.min(...ends), max: Math.max(...ends) }
}

/** The largest box of the format's aspect from the middle of a picture. */
function centreBox({ width, height }: { width: number; height: number }, format: PictureFormat): Box {
  const scale = Math.min(width / format.width, height / format.height)
  const left = (width - format.width * scale) / 2
  const top = (height - format.height * scale) / 2
  return { left, top, right: width - left, bottom: height - top }
}

/** Grey or colour, at the model's size. */
export function fitPicture(picture: Picture, format: PictureFormat): Pixels {
  const pixels = pixelsOf(picture, format.channels)
  const box = format.fit === 'center-crop' ? centreBox(pixels, format) : undefined
  return resize(pixels, format.width, format.height, box)
}

/** Where channel `c` (red first) of a sample lies: its place in the model's order, its first value, and the step to the next. */
function plane({ height, width, channels, layout, order }: PictureFormat, c: number): [number, number, number] {
  const channel = order === 'bgr' ? 2 - c : c
  return layout === 'nchw' ? [channel, channel * height * width, 1] : [channel, channel, channels]
}

/**
 * The values of pixels of the model's size.
 *
 * @param pixels 0 to 255, fractions allowed, row by row, red first
 * @returns in the model's layout and order; `numberTensor` gives them the model's type
 */
export function valuesOf(pixels: ArrayLike<number>, format: PictureFormat): Float64Array {
  const { height, width, channels } = format
  const values = new Float64Array(height * width * channels)
  for (let c = 0; c < channels; c++) {
    const [channel, first, step] = plane(format, c)
    const scale = format.scale[channel]
    const offset = format.offset[channel]
    for (let i = 0; i < height * width; i++) values[first + i * step] = scale * pixels[i * channels + c] + offset
  }
  return values
}

/**
 * The pixels of one sample: `valuesOf` backwards.
 *
 * @returns not rounded and not cut to 0 … 255; row by row, red first
 */
export function pixelValuesOf(values: ArrayLike<number>, format: PictureFormat): Float64Array {
  const { height, width, channels } = format
  const pixels = new Float64Array(height * width * channels)
  for (let c = 0; c < channels; c++) {
    const [channel, first, step] = plane(format, c)
    const scale = format.scale[channel]
    const offset = format.offset[channel]
    for (let i = 0; i < height * width; i++) pixels[i * channels + c] = (values[first + i * step] - offset) / scale
  }
  return pixels
}

/** What one sample looks like: its values as a picture. */
export function valuesPicture(values: ArrayLike<number>, format: PictureFormat): Picture {
  const { width, height, channels } = format
  const data = Uint8Array.from(pixelValuesOf(values, format), (pixel) => Math.max(0, Math.min(255, Math.round(pixel))))
  return pictureOf({ width, height, channels, data })
}

/** A tensor of numbers: float16 as bits; integers rounded and cut to their range. */
export function numberTensor(dtype: DType, shape: readonly number[], values: Float64Array): Tensor {
  const whole = (low: number, high: number) => (value: number) => Math.max(low, Math.min(high, Math.round(value)))
  if (dtype === 'float32') return { dtype, shape, data: Float32Array.from(values) }
  if (dtype === 'float64') return { dtype, shape, data: values }
  if (dtype === 'float16') return { dtype, shape, data: Uint16Array.from(values, toFloat16) }
  if (dtype === 'uint8') return { dtype, shape, data: Uint8Array.from(values, whole(0, 255)) }
  if (dtype === 'int8') return { dtype, shape, data: Int8Array.from(values, whole(-128, 127)) }
  throw new HardpackError('INVALID_ARGUMENT', `Samples expected an input of float or 8-bit numbers, got ${dtype}.`)
}

/** The elements of a tensor as numbers, `[start, end)`. */
export function numbersOf({ dtype, data }: Tensor, start = 0, end = data.length): Float64Array {
  const decode = dtype === 'float16' ? fromFloat16 : dtype === 'bfloat16' ? fromBfloat16 : Number
  const numbers = new Float64Array(end - start)
  for (let i = start; i < end; i++) numbers[i - start] = decode(data[i] as number)
  return numbers
}
