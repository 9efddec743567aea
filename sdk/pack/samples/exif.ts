/**
 * The orientation of a photo (Exif 2.3, tag 0x0112). A phone stores what its sensor saw and says how it was held; browsers
 * and OpenCV turn the picture before a model sees it, so samples are turned too.
 */

import { viewOf } from '../../core/index.ts'
import type { Picture } from './picture.ts'

const ORIENTATION = 0x0112

/**
 * The orientation that a JPEG file states.
 *
 * @returns 1 to 8; 1, which is upright, for a file that states none or is damaged there
 */
export function orientationOf(jpeg: Uint8Array): number {
  const view = viewOf(jpeg)
  for (let at = 2; at + 4 <= jpeg.length && jpeg[at] === 0xff; at += 2 + view.getUint16(at + 2)) {
    const marker = jpeg[at + 1]
    if (marker === 0xda) break
    const isExif = marker === 0xe1 && String.fromCharCode(...jpeg.subarray(at + 4, at + 8)) === 'Exif'
    if (isExif) return orientationIn(jpeg.subarray(at + 10, at + 2 + view.getUint16(at + 2)))
  }
  return 1
}

/** From the TIFF structure inside: its first directory. */
function orientationIn(tiff: Uint8Array): number {
  if (tiff.length < 8) return 1
  const view = viewOf(tiff)
  const isLittle = tiff[0] === 0x49
  const start = view.getUint32(4, isLittle)
  if (start + 2 > tiff.length) return 1
  const entries = view.getUint16(start, isLittle)
  for (let i = 0; i < entries; i++) {
    const at = start + 2 + 12 * i
    if (at + 12 > tiff.length) return 1
    if (view.getUint16(at, isLittle) !== ORIENTATION) continue
    const value = view.getUint16(at + 8, isLittle)
    return value >= 1 && value <= 8 ? value : 1
  }
  return 1
}

/** The picture as it is to be seen. */
export function upright(picture: Picture, orientation: number): Picture {
  if (orientation === 1) return picture
  const isTurned = orientation >= 5
  const [width, height] = isTurned ? [picture.height, picture.width] : [picture.width, picture.height]
  const [lastX, lastY] = [picture.width - 1, picture.height - 1]
  const rgba = new Uint8Array(picture.rgba.length)
  const flipsX = [2, 3, 7, 8].includes(orientation)
  const flipsY = [3, 4, 6, 7].includes(orientation)
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const [fromX, fromY] = isTurned ? [y, x] : [x, y]
      const source = (flipsY ? lastY - fromY : fromY) * picture.width + (flipsX ? lastX - fromX : fromX)
      rgba.set(picture.rgba.subarray(4 * source, 4 * source + 4), 4 * (y * width + x))
    }
  }
  return { width, height, rgba }
}
