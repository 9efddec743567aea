/**
 * What a pool and its workers say to each other. One buffer a worker goes back and forth by transfer, with the decoded
 * bytes in front and the encoded ones behind them: nothing is allocated chunk by chunk, so nothing waits for a garbage
 * collector, which in a worker with an almost empty heap would come late.
 */

import type { Decoder } from '../types.ts'

/** A chunk on its way to a worker: `memory` holds `rawLength` bytes to fill, base bytes, and encoded ones. */
export interface Job {
  readonly codec: number
  readonly rawLength: number
  readonly baseLength: number
  readonly encodedLength: number
  readonly memory: ArrayBuffer
}

/** What a worker says: once that it is there, then one answer to each job. */
export type Answer =
  | { readonly ready: string }
  /** `decoded` is false for a chunk that its decoder refused. */
  | { readonly memory: ArrayBuffer; readonly decoded: boolean }

type Lengths = Pick<Job, 'rawLength' | 'baseLength' | 'encodedLength'>

/** Each part begins at a multiple of eight, as in memory of its own. */
const aligned = (length: number): number => Math.ceil(length / 8) * 8

/** Bytes of memory that a job takes. */
export function memoryOf({ rawLength, baseLength, encodedLength }: Lengths): number {
  return aligned(rawLength) + aligned(baseLength) + encodedLength
}

/** Where the parts of a job lie in its memory. */
export function partsOf(memory: ArrayBuffer, { rawLength, baseLength, encodedLength }: Lengths) {
  const base = aligned(rawLength)
  return {
    raw: new Uint8Array(memory, 0, rawLength),
    base: new Uint8Array(memory, base, baseLength),
    encoded: new Uint8Array(memory, base + aligned(baseLength), encodedLength),
  }
}

/** The worker's side: decodes in place. It does not say why a chunk is refused: who asked finds out by decoding it again. */
export async function answerTo(decoder: Decoder, job: Job): Promise<Answer & { memory: ArrayBuffer }> {
  const { codec, baseLength, memory } = job
  const { raw, base, encoded } = partsOf(memory, job)
  try {
    await decoder.decode(codec, encoded, raw, baseLength > 0 ? base : undefined)
    return { memory, decoded: true }
  } catch {
    return { memory, decoded: false }
  }
}
