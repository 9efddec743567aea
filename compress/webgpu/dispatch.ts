/** Parts of chunks on a GPU: their buffers, a pass that builds the tables, one that decodes all blocks, and the way back. */

import { HardpackError, messageOf } from '../../sdk/core/index.ts'
import { SYMBOLS, TOTAL } from '../coder/rans.ts'
import { historyTable } from '../weights/lines.ts'
import type { Part } from './batch.ts'
import { BLOCK_FIELDS, DECODE_WGSL, TILE_FIELDS } from './decode.wgsl.ts'

/** WebGPU's `GPUBufferUsage` and `GPUMapMode`, which TypeScript does not know. */
const USAGE = { mapRead: 1, copySource: 4, copyTarget: 8, storage: 128 } as const
const MAP_READ = 1

export interface Pipelines {
  readonly build: GPUComputePipeline
  readonly decode: GPUComputePipeline
}

/**
 * Compiles the shader.
 *
 * @throws HardpackError `TARGET_UNAVAILABLE` where the device does not take it.
 */
export async function pipelinesOf(device: GPUDevice): Promise<Pipelines> {
  const module = device.createShaderModule({ code: DECODE_WGSL })
  const pipeline = (entryPoint: string): Promise<GPUComputePipeline> =>
    device.createComputePipelineAsync({ layout: 'auto', compute: { module, entryPoint } })
  try {
    const [build, decode] = await Promise.all([pipeline('build'), pipeline('decode')])
    return { build, decode }
  } catch (error) {
    throw new HardpackError(
      'TARGET_UNAVAILABLE',
      `The WebGPU decoder expected a device that takes its shader, got: ${messageOf(error)}.`,
      { hint: 'Use wasmDecoder() here.', cause: error },
    )
  }
}

/** Words of 32 bits in the buffers of a batch. */
export interface Sizes {
  readonly blocks: number
  readonly tiles: number
  readonly data: number
  readonly frequencies: number
  readonly tables: number
  readonly history: number
  readonly output: number
}

/** What a batch of no parts takes: the history of symbols is in every batch. */
export const NO_PARTS: Sizes = {
  blocks: 0,
  tiles: 0,
  data: historyTable().length,
  frequencies: 0,
  tables: 0,
  history: 0,
  output: 0,
}

/** The words of a batch to which a part is added. */
export function withPart(sizes: Sizes, part: Part): Sizes {
  return {
    blocks: sizes.blocks + part.contents.length * BLOCK_FIELDS.length,
    tiles: sizes.tiles + part.tiles.length,
    data: sizes.data + part.data.length,
    frequencies: sizes.frequencies + part.frequencies.length,
    tables: sizes.tables + tablesOf(part) * TOTAL,
    history: sizes.history + part.history,
    output: sizes.output + part.output,
  }
}

const FREQUENCY_WORDS = SYMBOLS / 2
const tablesOf = (part: Part): number => part.frequencies.length / FREQUENCY_WORDS

/** The parts one after another, as the shader reads them; `total` is their sizes. */
function inputsOf(parts: readonly Part[], total: Sizes) {
  const blocks = new Uint32Array(total.blocks)
  const tiles = new Uint32Array(total.tiles)
  const data = new Uint32Array(total.data)
  const frequencies = new Uint32Array(total.frequencies)
  data.set(historyTable())
  let at = NO_PARTS
  for (const part of parts) {
    const places: Partial<Record<string, number>> = {
      tiles: at.tiles / TILE_FIELDS.length,
      data: at.data,
      tables: at.tables / TOTAL,
      history: at.history,
      output: at.output,
    }
    const records = part.contents.flatMap(({ block }) =>
      BLOCK_FIELDS.map((field) => block[field] + (places[field] ?? 0)),
    )
    blocks.set(records, at.blocks)
    tiles.set(part.tiles, at.tiles)
    data.set(part.data, at.data)
    frequencies.set(part.frequencies, at.frequencies)
    at = withPart(at, part)
  }
  return { blocks, tiles, data, frequencies }
}

/**
 * Decodes parts on a device.
 *
 * @param take is given each part's words of output, which it may change, but not keep
 * @throws HardpackError `LIMIT_EXCEEDED` when the device has no memory for them, `TARGET_FAILED` when it refuses the work, and
 *   whatever the lost device makes of the calls.
 */
export async function dispatch(
  device: GPUDevice,
  { build, decode }: Pipelines,
  parts: readonly Part[],
  take: (part: number, output: Uint32Array<ArrayBuffer>) => void,
): Promise<void> {
  const sizes = parts.reduce(withPart, NO_PARTS)
  const inputs = inputsOf(parts, sizes)
  const buffers: GPUBuffer[] = []
  const buffer = (words: number, usage: number): GPUBuffer => {
    const made = device.createBuffer({ size: Math.max(4, 4 * words), usage })
    buffers.push(made)
    return made
  }
  const input = (words: Uint32Array<ArrayBuffer>): GPUBuffer => {
    const made = buffer(words.length, USAGE.storage | USAGE.copyTarget)
    device.queue.writeBuffer(made, 0, words)
    return made
  }
  const group = (pipeline: GPUComputePipeline, ...bound: GPUBuffer[]): GPUBindGroup =>
    device.createBindGroup({
      layout: pipeline.getBindGroupLayout(0),
      entries: bound.map((own, binding) => ({ binding, resource: { buffer: own } })),
    })

  try {
    device.pushErrorScope('validation')
    device.pushErrorScope('out-of-memory')
    const tables = buffer(sizes.tables, USAGE.storage)
    // New buffers hold zeros: a block that has not run has no lane that came back.
    const output = buffer(sizes.output, USAGE.storage | USAGE.copySource)
    const result = buffer(sizes.output, USAGE.mapRead | USAGE.copyTarget)
    const building = group(build, input(inputs.frequencies), tables)
    const decoding = group(
      decode,
      input(inputs.blocks),
      input(inputs.tiles),
      input(inputs.data),
      tables,
      buffer(sizes.history, USAGE.storage),
      output,
    )
    const encoder = device.createCommandEncoder()
    const pass = encoder.beginComputePass()
    pass.setPipeline(build)
    pass.setBindGroup(0, building)
    pass.dispatchWorkgroups(sizes.tables / TOTAL)
    pass.setPipeline(decode)
    pass.setBindGroup(0, decoding)
    pass.dispatchWorkgroups(sizes.blocks / BLOCK_FIELDS.length)
    pass.end()
    encoder.copyBufferToBuffer(output, 0, result, 0, 4 * sizes.output)
    device.queue.submit([encoder.finish()])
    const [memory, refusal] = await Promise.all([device.popErrorScope(), device.popErrorScope()])
    if (memory) throw noMemory(4 * (sizes.output + sizes.history + sizes.tables), memory)
    if (refusal) throw refused(refusal)

    await result.mapAsync(MAP_READ)
    const words = new Uint32Array(result.getMappedRange())
    let at = 0
    for (const [number, { output: length }] of parts.entries()) {
      take(number, words.subarray(at, at + length))
      at += length
    }
  } finally {
    for (const made of buffers) made.destroy()
  }
}

function noMemory(bytes: number, { message }: GPUError): HardpackError {
  return new HardpackError(
    'LIMIT_EXCEEDED',
    `The WebGPU decoder expected ${bytes} bytes of the device's memory, got none: ${message}.`,
    { hint: 'Use wasmDecoder() here.' },
  )
}

function refused({ message }: GPUError): HardpackError {
  return new HardpackError('TARGET_FAILED', `The WebGPU decoder expected its device to work, got: ${message}.`, {
    hint: 'Use wasmDecoder() here.',
  })
}
