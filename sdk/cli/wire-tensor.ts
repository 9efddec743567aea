/** Tensors as JSON, for calls into a page: their bytes as base64, in Node and in browsers alike. */

import { bytesOf, type DType, type Tensor, tensorOf } from '../core/index.ts'

export interface WireTensor {
  readonly dtype: DType
  readonly shape: readonly number[]
  readonly base64: string
}

const CHUNK = 0x8000

function toBase64(bytes: Uint8Array): string {
  const parts: string[] = []
  for (let i = 0; i < bytes.length; i += CHUNK) parts.push(String.fromCharCode(...bytes.subarray(i, i + CHUNK)))
  return btoa(parts.join(''))
}

/** A tensor as JSON. */
export const toWire = (tensor: Tensor): WireTensor => ({
  dtype: tensor.dtype,
  shape: tensor.shape,
  base64: toBase64(bytesOf(tensor)),
})

/** The tensor of a JSON. */
export const fromWire = ({ dtype, shape, base64 }: WireTensor): Tensor =>
  tensorOf(
    dtype,
    shape,
    Uint8Array.from(atob(base64), (character) => character.charCodeAt(0)),
  )

/** A record with each value changed. */
export const mapped = <A, B>(record: Readonly<Record<string, A>>, change: (value: A) => B): Record<string, B> =>
  Object.fromEntries(Object.entries(record).map(([name, value]) => [name, change(value)]))
