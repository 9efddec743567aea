/** Pictures: PNG and JPEG files to pixels, and back to PNG for a report. Sizes are read before any memory is taken. */

import { decode as decodeJpeg } from 'jpeg-js'
import { PNG } from 'pngjs'
import { HardpackError, messageOf, viewOf } from '../../core/index.ts'
import { orientationOf, upright } from './exif.ts'
import { type Pixels, resize } from './resize.ts'

export interface Picture {
  readonly width: number
  readonly height: number
  /** width × height × 4 bytes. */
  readonly rgba: Uint8Array
}

const MOST_MEGAPIXELS = 64
/** What the JPEG decoder may take for one picture: coefficients and planes of the largest one allowed. */
const MOST_JPEG_MEGABYTES = 1024

const PNG_SIGNATURE = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]

/**
 * The pixels of a PNG or JPEG file, whichever it is by its first bytes.
 *
 * @param path names the file in errors
 * @returns 8 bits a channel, with alpha; turned as its Exif orientation says, as browsers and OpenCV do (Pillow and torchvision do not)
 * @throws HardpackError `INVALID_INPUT` that names the file, for another format, a damaged file, or more than 64 megapixels.
 * @example
 * decodePicture(await readFile('cat.png'), 'cat.png').width
 */
export function decodePicture(bytes: Uint8Array, path: string): Picture {
  try {
    const isPng = PNG_SIGNATURE.every((byte, i) => bytes[i] === byte)
    const size = isPng ? pngSize(bytes) : jpegSize(bytes)
    if (!size) throw new Error('another format')
    const [width, height] = size
    if (width < 1 || height < 1 || width * height > MOST_MEGAPIXELS * 1e6)
      throw new Error(`${width} × ${height} pixels`)
    if (isPng) {
      const { data } = PNG.sync.read(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length))
      return { width, height, rgba: new Uint8Array(data.buffer, data.byteOffset, data.length) }
    }
    const { data } = decodeJpeg(bytes, {
      useTArray: true,
      maxResolutionInMP: MOST_MEGAPIXELS,
      maxMemoryUsageInMB: MOST_JPEG_MEGABYTES,
      tolerantDecoding: false,
    })
    return upright({ width, height, rgba: data }, orientationOf(bytes))
  } catch (error) {
    const reason = messageOf(error).replace(/\.$/, '')
    throw new HardpackError(
      'INVALID_INPUT',
      `"${path}" expected a PNG or JPEG picture of at most ${MOST_MEGAPIXELS} megapixels, got ${reason}.`,
      { hint: 'Replace the file or take it away.', cause: error },
    )
  }
}

/** Width and height from IHDR, which is the first chunk of every PNG. */
function pngSize(bytes: Uint8Array): [number, number] {
  if (bytes.length < 33) throw new Error('a file that is cut short')
  const view = viewOf(bytes)
  return [view.getUint32(16), view.getUint32(20)]
}

/** Width and height from the frame header (SOF0 to SOF15); `undefined` for what is no JPEG. */
function jpegSize(bytes: Uint8Array): [number, number] | undefined {
  if (bytes[0] !== 0xff || bytes[1] !== 0xd8) return undefined
  const view = viewOf(bytes)
  let at = 2
  while (at + 9 <= bytes.length) {
    if (bytes[at] !== 0xff) throw new Error('a damaged JPEG')
    const marker = bytes[at + 1]
    if (marker === 0xff) at += 1
    else if (marker >= 0xc0 && marker <= 0xcf && marker !== 0xc4 && marker !== 0xc8 && marker !== 0xcc) {
      return [view.getUint16(at + 7), view.getUint16(at + 5)]
    } else at += 2 + view.getUint16(at + 2)
  }
  throw new Error('a JPEG that is cut short')
}

/**
 * A picture as interleaved colours or as grey. Alpha is dropped; grey is ITU-R 601 luma with Pillow's rounding.
 *
 * @param channels 3 for red, green, blue; 1 for grey
 */
export function pixelsOf({ width, height, rgba }: Picture, channels: 1 | 3): Pixels {
  const data = new Uint8Array(width * height * channels)
  for (let i = 0, at = 0; i < width * height; i++) {
    const red = rgba[4 * i]
    const green = rgba[4 * i + 1]
    const blue = rgba[4 * i + 2]
    if (channels === 1) data[at++] = (red * 19595 + green * 38470 + blue * 7471 + 0x8000) >>> 16
    else {
      data[at++] = red
      data[at++] = green
      data[at++] = blue
    }
  }
  return { width, height, channels, data }
}

/** An opaque picture of interleaved colours or grey. */
export function pictureOf({ width, height, channels, data }: Pixels): Picture {
  const rgba = new Uint8Array(width * height * 4)
  for (let i = 0; i < width * height; i++) {
    for (let channel = 0; channel < 3; channel++)
      rgba[4 * i + channel] = data[i * channels + (channels === 1 ? 0 : channel)]
    rgba[4 * i + 3] = 255
  }
  return { width, height, rgba }
}

/**
 * A picture as the bytes of a PNG file, without alpha: what is transparent comes to lie on white.
 *
 * @param longest pictures whose longer side is larger are made smaller
 */
export function pngOf(picture: Picture, longest = Number.POSITIVE_INFINITY): Uint8Array {
  const factor = Math.min(1, longest / Math.max(picture.width, picture.height))
  const size = (side: number): number => Math.max(1, Math.round(side * factor))
  const whole = { width: picture.width, height: picture.height, channels: 4, data: picture.rgba }
  const { width, height, data } = resize(whole, size(picture.width), size(picture.height))
  const png = new PNG({ width, height })
  png.data = Buffer.from(data.buffer, data.byteOffset, data.length)
  return PNG.sync.write(png, { colorType: 2 })
}
