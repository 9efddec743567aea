/**
 * Sizes and decoding speed of real weights: ours beside gzip, brotli and zstd on the very same tensors.
 *
 *     npm run bench:weights [part of a file name]
 *
 * Weights as they are, and float32 also rounded to bfloat16. Everything that a chunk holds is counted; the manifest is not. Decoders run
 * in turns, one thread, and the median counts; zstd is the command line tool, so its figure holds a process start.
 */

import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { basename } from 'node:path'
import { brotliCompressSync, brotliDecompressSync, constants, gunzipSync, gzipSync } from 'node:zlib'
import { encodeWeights, typescriptDecoder, type WeightTensor, wasmDecoder } from '../../compress/index.ts'
import { concat, elementCount, equal, toBfloat16 } from '../../sdk/core/index.ts'
import { locateWeights } from '../../sdk/onnx/index.ts'
import { environment, writeResults } from './environment.ts'
import { realModels } from './real-models.ts'

const RUNS = 5
/** Weights from which on a model's decoding speed is not that of its fixed costs. */
const LARGE = 200_000

/** Bits a weight of circuit A as published in the design, by file and type. */
const REFERENCES: Record<string, number> = {
  'silero_vad_v5.onnx bfloat16': 10.6,
  'ch_PP-OCRv4_rec_infer.onnx bfloat16': 10.54,
  'ch_PP-OCRv4_rec_infer.onnx as it is': 26.49,
}

interface Row {
  model: string
  dtype: string
  weights: number
  rawBits: number
  /** Bits a weight. */
  bits: Record<string, number>
  reference?: number
  deviationPercent?: number
  circuits: Record<string, number>
  /** MB of output a second. */
  decode: Record<string, number>
}

function tensorsOf(path: string): WeightTensor[] {
  const model = new Uint8Array(readFileSync(path))
  return locateWeights(model).map(({ dtype, shape, start, end }) => ({
    dtype,
    shape,
    bytes: model.subarray(start, end),
  }))
}

function toBrain(tensor: WeightTensor): WeightTensor {
  const values = new Float32Array(tensor.bytes.slice().buffer)
  const halves = Uint16Array.from(values, (value) => toBfloat16(value))
  return { dtype: 'bfloat16', shape: tensor.shape, bytes: new Uint8Array(halves.buffer) }
}

const zstd = (args: readonly string[], input: Uint8Array): Uint8Array =>
  new Uint8Array(spawnSync('zstd', [...args, '-q', '-c'], { input, maxBuffer: 1 << 30 }).stdout)
const hasZstd = spawnSync('zstd', ['--version']).status === 0

/** Median milliseconds of each task, run in turns. */
function medians(tasks: Record<string, () => void>): Record<string, number> {
  const times: Record<string, number[]> = {}
  for (let run = 0; run <= RUNS; run++) {
    for (const [name, task] of Object.entries(tasks)) {
      const start = performance.now()
      task()
      // The first round warms up the just-in-time compilers.
      if (run > 0) times[name] = [...(times[name] ?? []), performance.now() - start]
    }
  }
  return Object.fromEntries(Object.entries(times).map(([name, all]) => [name, all.sort((a, b) => a - b)[RUNS >> 1]]))
}

async function measure(model: string, dtype: string, tensors: readonly WeightTensor[]): Promise<Row> {
  const { chunks, tensors: encoded } = await encodeWeights(tensors)
  const raw = concat(tensors.map((tensor) => tensor.bytes))
  const weights = tensors.reduce((sum, tensor) => sum + elementCount(tensor.shape), 0)
  const window = { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_LGWIN]: 24 }
  const packed: Record<string, Uint8Array> = {
    ours: concat(chunks.map((chunk) => chunk.bytes)),
    'gzip -9': gzipSync(raw, { level: 9 }),
    'brotli -11': brotliCompressSync(raw, { params: window }),
  }
  if (hasZstd) packed['zstd -19'] = zstd(['-19'], raw)

  const out = new Uint8Array(raw.length)
  const decoders = [await wasmDecoder(), typescriptDecoder()]
  const tasks: Record<string, () => void> = {}
  for (const decoder of decoders) {
    tasks[`ours, ${decoder.name}`] = () => {
      let position = 0
      for (const { codec, bytes, rawLength } of chunks) {
        decoder.decode(codec, bytes, out.subarray(position, position + rawLength))
        position += rawLength
      }
    }
    out.fill(0)
    tasks[`ours, ${decoder.name}`]()
    if (!equal(out, raw)) throw new Error(`${model}: the ${decoder.name} decoder gives other bytes.`)
  }
  tasks['gzip -9'] = () => gunzipSync(packed['gzip -9'])
  tasks['brotli -11'] = () => brotliDecompressSync(packed['brotli -11'])
  if (hasZstd) tasks['zstd -19'] = () => zstd(['-d'], packed['zstd -19'])

  const circuits: Record<string, number> = {}
  encoded.forEach((tensor, i) => {
    circuits[tensor.circuit] = (circuits[tensor.circuit] ?? 0) + tensors[i].bytes.length
  })
  const bits = Object.fromEntries(Object.entries(packed).map(([name, bytes]) => [name, (8 * bytes.length) / weights]))
  const reference = REFERENCES[`${model} ${dtype}`]
  return {
    model,
    dtype,
    weights,
    rawBits: (8 * raw.length) / weights,
    bits,
    ...(reference ? { reference, deviationPercent: 100 * (bits.ours / reference - 1) } : {}),
    circuits,
    decode: Object.fromEntries(Object.entries(medians(tasks)).map(([name, ms]) => [name, raw.length / ms / 1e3])),
  }
}

const TOOLS = ['ours', 'gzip -9', 'brotli -11', 'zstd -19']
const DECODERS = ['ours, wasm', 'ours, typescript', 'gzip -9', 'brotli -11', 'zstd -19']

function line(row: Row): string {
  const bits = TOOLS.map((tool) => row.bits[tool]?.toFixed(2).padStart(6) ?? '     –').join(' ')
  const decode = DECODERS.map((name) => row.decode[name]?.toFixed(0).padStart(5) ?? '    –').join(' ')
  const reference = row.reference ? ` circuit A ${row.reference} (${row.deviationPercent?.toFixed(1)} %)` : ''
  return `${row.model.padEnd(30)} ${row.dtype.padEnd(9)} ${String(row.weights).padStart(8)} | ${bits} | ${decode}${reference}`
}

async function main(only = process.argv[2]): Promise<void> {
  if (!hasZstd) console.log('zstd is not installed: its columns stay empty.')
  console.log(`bits a weight: ${TOOLS.join(', ')} | decode, MB/s of output: ${DECODERS.join('; ')}`)
  const rows: Row[] = []
  for (const path of await realModels(only)) {
    const tensors = tensorsOf(path)
    const floats = tensors.filter((tensor) => tensor.dtype === 'float32')
    for (const [dtype, set] of [
      ['as it is', tensors],
      ['bfloat16', floats.map(toBrain)],
    ] as const) {
      if (set.length === 0) continue
      const row = await measure(basename(path), dtype, set)
      rows.push(row)
      console.log(line(row))
    }
  }
  const cast = rows.filter((row) => row.dtype === 'bfloat16')
  const speed = (row: Row): number => row.decode['ours, wasm']
  const large = cast.filter((row) => row.weights >= LARGE).sort((a, b) => speed(a) - speed(b))
  const together =
    cast.reduce((sum, row) => sum + row.weights, 0) / cast.reduce((sum, row) => sum + row.weights / speed(row), 0)
  const slowest = large[0] ? { model: large[0].model, wasm: speed(large[0]) } : undefined
  if (cast.length > 0) console.log(`all bf16 casts together: ${together.toFixed(0)} MB/s wasm`)
  if (slowest) console.log(`slowest of ${LARGE} weights or more: ${slowest.wasm.toFixed(0)} MB/s, ${slowest.model}`)
  if (only !== undefined) return
  const zstdVersion = hasZstd ? spawnSync('zstd', ['--version']).stdout.toString().trim() : 'absent'
  const results = { runs: RUNS, zstd: zstdVersion, bfloat16: { together, slowest }, rows }
  console.log(`Written to ${await writeResults('weights', await environment('npm run bench:weights'), results)}.`)
}

await main()
