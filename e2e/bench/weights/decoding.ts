/**
 * Decoding speed: ours beside those that browsers have or could load, on the same tensors, one thread. All decoders run in
 * turns, after a round that warms up the just-in-time compilers, and medians count. A decoder that works in parallel needs
 * only to be handed in: every chunk is given out before any is waited for.
 */

import { brotliDecompressSync, gunzipSync } from 'node:zlib'
import { ZSTDDecoder } from 'zstddec'
import { median } from '../../../sdk/core/index.ts'
import { arenaOf, type ChunkDecoder, decodeInto, holds } from './chunks.ts'
import type { SizedSet } from './tensors.ts'

/** Rounds that count: at least so many, and as many as fit into this time, for what takes less than a millisecond. */
export const ROUNDS = { least: 5, milliseconds: 1000 }

export const PEERS = ['zstd (WebAssembly)', 'brotli (Node)', 'gzip (DecompressionStream)', 'gzip (Node)'] as const

/** Median milliseconds by decoder: `hardpack <name>` for ours, else of `PEERS`. */
export type Milliseconds = Readonly<Record<string, number>>

type Task = () => unknown

/** Median milliseconds of each task, run in turns. */
async function medians(tasks: Readonly<Record<string, Task>>): Promise<Milliseconds> {
  const times = Object.fromEntries(Object.keys(tasks).map((name): [string, number[]] => [name, []]))
  const end = performance.now() + ROUNDS.milliseconds
  for (let round = 0; round <= ROUNDS.least || performance.now() < end; round++) {
    for (const [name, task] of Object.entries(tasks)) {
      const start = performance.now()
      await task()
      if (round > 0) times[name].push(performance.now() - start)
    }
  }
  return Object.fromEntries(Object.entries(times).map(([name, all]) => [name, median(all) ?? Number.NaN]))
}

/** Inflates as a browser does, into memory that is there already, as ours does. */
async function inflateStream(bytes: Uint8Array<ArrayBuffer>, out: Uint8Array): Promise<void> {
  const stream = new DecompressionStream('gzip')
  const writer = stream.writable.getWriter()
  const written = writer.write(bytes).then(() => writer.close())
  let position = 0
  for await (const part of stream.readable as unknown as AsyncIterable<Uint8Array>) {
    out.set(part, position)
    position += part.length
  }
  await written
}

/** A task for each peer whose frame there is. */
async function peerTasks({ set, frames }: SizedSet, out: Uint8Array): Promise<Record<string, Task>> {
  const { length } = set.raw
  const zstd = new ZSTDDecoder()
  await zstd.init()
  const [zstdFrame, brotli, gzip] = [frames['zstd -19 --long=27'], frames['brotli -11'], frames['gzip -9']]
  // Output in one piece: by default zlib gives out 16 KiB at a time, and joins them.
  const options = { chunkSize: Math.max(64, length) }
  const tasks: Record<string, Task> = {}
  if (zstdFrame) tasks['zstd (WebAssembly)'] = () => zstd.decode(zstdFrame, length)
  if (brotli) tasks['brotli (Node)'] = () => brotliDecompressSync(brotli, options)
  if (gzip) {
    const own = new Uint8Array(gzip)
    tasks['gzip (DecompressionStream)'] = () => inflateStream(own, out)
    tasks['gzip (Node)'] = () => gunzipSync(gzip, options)
  }
  return tasks
}

/**
 * Times every decoder on one set.
 *
 * @throws Error when one of ours gives other bytes.
 */
export async function decodingOf(sized: SizedSet, decoders: readonly ChunkDecoder[]): Promise<Milliseconds> {
  const { set, encoded } = sized
  const arena = arenaOf(encoded)
  const tasks: Record<string, Task> = {}
  for (const decoder of decoders) {
    arena.bytes.fill(0)
    await decodeInto(arena, encoded, decoder)
    if (!holds(arena, set.tensors)) throw new Error(`${set.model}: the ${decoder.name} decoder gives other bytes.`)
    tasks[`hardpack ${decoder.name}`] = () => decodeInto(arena, encoded, decoder)
  }
  return medians({ ...tasks, ...(await peerTasks(sized, new Uint8Array(set.raw.length))) })
}
