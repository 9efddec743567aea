/**
 * The decoder on a GPU. Its shader does what there is a lot of: classes, predictions, rANS and the joining of planes, for the
 * streams of floats, bytes, nibbles and indices. The CPU does the rest: it reads headers, looks values up in palettes, adds
 * bases, and decodes pools, chunks of other codecs, and chunks with differences (Δ streams).
 *
 * Chunks that wait while the device is busy go to it together, so hand in many at once.
 */

import { HardpackError } from '../../sdk/core/index.ts'
import { corrupt } from '../corrupt.ts'
import { bestDecoder } from '../decode.ts'
import { CODECS, type Decoder } from '../types.ts'
import { decodePool } from '../weights/decode.ts'
import { layoutOf } from '../weights/layout.ts'
import { isForShader, type Part, partOf, takeOut } from './batch.ts'
import { dispatch, NO_PARTS, type Pipelines, pipelinesOf, withPart } from './dispatch.ts'

export type { Decoder } from '../types.ts'

/**
 * Bytes that a buffer of a batch may have, so that a batch stays far from the seconds after which a system takes a device for hung.
 * A part that needs more goes alone, and fits: every device takes 128 MiB, and no part of a chunk of 4 MiB needs as many.
 */
const MOST_BYTES = 1 << 24

/** Chunks of 1 MiB that make a batch. */
const CHUNKS_AT_ONCE = 16

interface Job {
  readonly part: Part
  readonly take: (output: Uint32Array<ArrayBuffer>) => void
  readonly done: () => void
  readonly fail: (error: unknown) => void
}

function deviceLost(reason: string): HardpackError {
  return new HardpackError('DEVICE_LOST', `The WebGPU decoder expected its device to stay, got: ${reason}.`, {
    hint: 'Request another device, and make a decoder of it.',
  })
}

/** What waits for the device, and what goes to it next. */
class BatchQueue {
  readonly #device: GPUDevice
  readonly #pipelines: Pipelines
  #waiting: Job[] = []
  #busy = false
  #lost: HardpackError | undefined

  constructor(device: GPUDevice, pipelines: Pipelines) {
    this.#device = device
    this.#pipelines = pipelines
    device.lost.then(({ reason, message }) => {
      this.#lost = deviceLost(message || reason)
    })
  }

  /** @param take is given the part's words of output, which it may change, but not keep */
  run(part: Part, take: Job['take']): Promise<void> {
    return new Promise((done, fail) => {
      this.#waiting.push({ part, take, done, fail })
      if (!this.#busy) void this.#work()
    })
  }

  async #work(): Promise<void> {
    this.#busy = true
    await undefined // What is handed in during the same turn goes to the device together.
    while (this.#waiting.length > 0) await this.#batch(this.#next())
    this.#busy = false
  }

  /** The first job, and those after it that fit as well. */
  #next(): Job[] {
    let sizes = NO_PARTS
    const fits = ({ part }: Job, index: number): boolean => {
      sizes = withPart(sizes, part)
      return index === 0 || Object.values(sizes).every((words) => 4 * words <= MOST_BYTES)
    }
    const end = this.#waiting.findIndex((job, index) => !fits(job, index))
    return this.#waiting.splice(0, end < 0 ? this.#waiting.length : end)
  }

  /** Never rejects: each job hears for itself. */
  async #batch(jobs: readonly Job[]): Promise<void> {
    try {
      if (this.#lost) throw this.#lost
      const parts = jobs.map(({ part }) => part)
      await dispatch(this.#device, this.#pipelines, parts, (index, output) => {
        const { take, done, fail } = jobs[index]
        try {
          take(output)
          done()
        } catch (error) {
          fail(error)
        }
      })
    } catch (error) {
      // WebGPU's own promises are rejected only where the device is lost; everything else it reports in error scopes.
      const reason = error instanceof DOMException ? (this.#lost ?? deviceLost(error.message)) : error
      for (const { fail } of jobs) fail(reason)
    }
  }
}

/**
 * The decoder on a GPU: the same bytes as every other. It pays for itself where chunks are many; a single one waits longer for the
 * device than the CPU takes. On a software adapter it is slower than `typescriptDecoder`.
 *
 * @param device stays the caller's, who may go on using it
 * @returns a decoder whose calls are also rejected with `DEVICE_LOST` once the device is gone, `LIMIT_EXCEEDED` when it has no memory
 *   for them, and `TARGET_FAILED` when it refuses the work
 * @throws HardpackError `TARGET_UNAVAILABLE` where the device does not take the shader.
 * @example
 * const adapter = await navigator.gpu.requestAdapter()
 * const decoder = await webgpuDecoder(await adapter.requestDevice())
 * await Promise.all(chunks.map(({ codec, bytes }, i) => decoder.decode(codec, bytes, raw[i])))
 */
export async function webgpuDecoder(device: GPUDevice): Promise<Decoder> {
  const [host, pipelines] = await Promise.all([bestDecoder(), pipelinesOf(device)])
  const queue = new BatchQueue(device, pipelines)
  return {
    name: 'webgpu',
    threads: CHUNKS_AT_ONCE,
    async decode(codec, bytes, out, base) {
      if (codec !== CODECS.weights) return host.decode(codec, bytes, out, base)
      if (base && base.length !== out.length) throw corrupt(`a base of ${out.length} bytes, got ${base.length}`)
      const sections = layoutOf(bytes, out.length)
      if (sections.some((section) => section.stream && !isForShader(section))) {
        return host.decode(codec, bytes, out, base)
      }
      const runs = sections.map((section) => {
        if (!isForShader(section)) return decodePool(section, out)
        const part = partOf(section)
        return queue.run(part, (output) => takeOut(part, output, { out, base }))
      })
      await Promise.all(runs)
    },
  }
}
