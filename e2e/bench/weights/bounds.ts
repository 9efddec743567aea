/**
 * What is left to win, in bits on the tensors that `bench:weights` measures, everything counted:
 *
 *     npm run bench:bounds [part of a file name]
 *
 * - Headers of chunks: what a dictionary shared by a family, adaptive counts, and scales that follow BatchNorm or the layer before could
 *   save if they were perfect and free.
 * - Experts, mixed bit by bit (`expert-mixing.ts`), with and without regression on all that came before: what mixtures in
 *   two passes could reach, at a speed that no decoder here may have.
 * - Scales of rows beside the parameters of the BatchNormalization that follows.
 *
 * With a part of a name nothing is written.
 */

import { readFile } from 'node:fs/promises'
import { basename } from 'node:path'
import { encodeWeights, type WeightTensor } from '../../../compress/index.ts'
import { count, table } from '../../../sdk/cli/command.ts'
import { elementCount, fromBfloat16 } from '../../../sdk/core/index.ts'
import { environment, writeResults } from '../environment.ts'
import { compressGenerally } from '../general-compressors.ts'
import { realModels } from '../real-models.ts'
import { percentSmaller } from './bars.ts'
import { Experts, type Field } from './expert-mixing.ts'
import { followedScales } from './followed-scales.ts'
import { setsOf, type WeightSet } from './sets.ts'
import { type SideBytes, sideBytes } from './side-information.ts'
import { packedBytes } from './tensors.ts'

/** Elements of a set of floats beyond which this takes too long. */
const MOST_FLOATS = 1 << 19
/** Elements below which a tensor is left to the codec. */
const LEAST = 256
/** Of a bfloat16 below sign, exponent and two bits of mantissa. */
const LOW_BITS = 5

interface Row {
  readonly model: string
  readonly type: string
  readonly weights: number
  readonly brotli: number | undefined
  readonly codec: number
  readonly side: SideBytes
  /** Bytes under one table a quarter octave with adaptive counts; under experts; under experts with regression. */
  readonly counted: number
  readonly experts: number
  readonly regression: number
}

/** Rows × columns × inner: the outer dimension, the next, the others. */
function viewOf(shape: readonly number[]): [number, number, number] {
  const [rows = 1, columns = 1, ...others] = shape
  return [rows, columns, others.reduce((product, size) => product * size, 1)]
}

function integerField({ dtype, shape, bytes }: WeightTensor): Field {
  const numbers = dtype === 'int8' ? Int8Array.from(bytes) : bytes
  const counts = new Uint32Array(512)
  let [least, most] = [255, -128]
  for (const value of numbers) {
    counts[value + 128]++
    least = Math.min(least, value)
    most = Math.max(most, value)
  }
  const center = counts.indexOf(counts.reduce((a, b) => Math.max(a, b))) - 128
  const first = Math.min(least, Math.max(most - 255, center - 128))
  const [rows, columns, inner] = viewOf(shape)
  const edges = Float64Array.from({ length: 257 }, (_, symbol) => first + symbol - center - 0.5)
  const values = Float64Array.from(numbers, (value) => value - center)
  return { rows, columns, inner, values, edges, floor: 1 / 12, unitOf: () => 1 }
}

/** Signs, exponents and two bits of mantissa, from 2^-22 to 2^10 around a scale. */
function floatEdges(): Float64Array {
  const edges = new Float64Array(257)
  for (let m = 1; m <= 128; m++) {
    const edge = 2 ** ((m >> 2) - 22) * (1 + (m & 3) / 4)
    edges[128 + m] = edge
    edges[128 - m] = -edge
  }
  return edges
}

const FLOAT_EDGES = floatEdges()

function floatField({ shape, bytes }: WeightTensor): Field {
  const [rows, columns, inner] = viewOf(shape)
  const values = Float64Array.from(new Uint16Array(bytes.slice().buffer), fromBfloat16)
  const unitOf = (scale: number): number => 2 ** Math.floor(Math.log2(scale))
  return { rows, columns, inner, values, edges: FLOAT_EDGES, floor: 0, unitOf }
}

/** Bytes of a set in which experts code all tensors but small ones, which cost what they cost the codec. */
function expertBytes(set: WeightSet, packed: readonly number[]): Pick<Row, 'counted' | 'experts' | 'regression'> {
  const plain = new Experts(false)
  const all = new Experts(true)
  const sums = { counted: 0, experts: 0, regression: 0 }
  set.tensors.forEach((tensor, i) => {
    const weights = elementCount(tensor.shape)
    if (weights < LEAST || packed[i] < 32) {
      for (const key of ['counted', 'experts', 'regression'] as const) sums[key] += packed[i]
      return
    }
    const field = set.type === 'int8' ? integerField(tensor) : floatField(tensor)
    const low = set.type === 'int8' ? 0 : LOW_BITS * weights
    const without = plain.lengthOf(field)
    const own = all.lengthOf(field)
    sums.counted += (without.counted + without.scales + low) / 8
    sums.experts += (without.mixed + without.scales + low) / 8
    sums.regression += (own.mixed + own.scales + low) / 8
  })
  return sums
}

async function rowOf(set: WeightSet): Promise<Row> {
  const encoded = await encodeWeights(set.tensors)
  const codec = packedBytes(encoded)
  const brotli = set.type === 'int8' ? (await compressGenerally('brotli -11', set.raw))?.length : undefined
  return {
    model: set.model,
    type: set.type,
    weights: set.weights,
    brotli,
    codec,
    side: await sideBytes(encoded),
    ...expertBytes(
      set,
      encoded.tensors.map(({ packedBytes: own }) => own),
    ),
  }
}

const percent = (share: number | undefined): string => (share === undefined ? '–' : `${share.toFixed(2)} %`)
const below = (ours: number | undefined, theirs: number | undefined): string =>
  percent(ours === undefined || theirs === undefined ? undefined : percentSmaller(ours, theirs))

function sideTable(rows: readonly Row[]): string {
  const lines = rows.map(({ model, type, codec, side }) => [
    model,
    type,
    count(codec),
    ...[side.tables, side.latents, side.states, side.grid].map((bytes) => percent((100 * bytes) / codec)),
  ])
  return table(
    [['model', 'type', 'bytes', 'tables', 'latents', 'states of coders', 'frequencies of 12 bits'], ...lines],
    [2, 3, 4, 5, 6],
  )
}

/** All rows of a type as one. */
function together(rows: readonly Row[], type: string): Row {
  const add = (value: (row: Row) => number | undefined): number => rows.reduce((sum, row) => sum + (value(row) ?? 0), 0)
  return {
    model: 'together',
    type,
    weights: add(({ weights }) => weights),
    brotli: type === 'int8' ? add(({ brotli }) => brotli) : undefined,
    codec: add(({ codec }) => codec),
    side: { tables: 0, latents: 0, states: 0, grid: 0 },
    counted: add(({ counted }) => counted),
    experts: add(({ experts }) => experts),
    regression: add(({ regression }) => regression),
  }
}

function expertTable(rows: readonly Row[]): string {
  const groups = ['int8', 'bf16'].flatMap((type) => {
    const own = rows.filter((row) => row.type === type)
    return own.length > 0 ? [...own, together(own, type)] : []
  })
  const lines = groups.map(({ model, type, brotli, codec, counted, experts, regression }) => [
    model,
    type,
    count(codec),
    below(codec, brotli),
    below(counted, codec),
    below(experts, codec),
    below(regression, codec),
    below(regression, brotli),
  ])
  const head = [
    'model',
    'type',
    'bytes',
    'below brotli',
    'adaptive counts',
    'experts',
    'and regression',
    'then below brotli',
  ]
  return table([head, ...lines], [2, 3, 4, 5, 6, 7])
}

const only = process.argv[2]
const rows: Row[] = []
const followed = []
for (const path of await realModels(only)) {
  const model = new Uint8Array(await readFile(path))
  const name = basename(path, '.onnx')
  process.stderr.write(`${name} …\n`)
  for (const set of setsOf(name, model)) {
    const measured = set.type === 'int8' || (set.type === 'bf16' && set.weights <= MOST_FLOATS)
    if (set.counts && measured) rows.push(await rowOf(set))
  }
  const scales = followedScales(name, model)
  if (scales) followed.push(scales)
}
process.stdout.write(`Side information, of the encoded bytes\n${sideTable(rows)}\n\n`)
process.stdout.write(`Experts: how much smaller than the codec\n${expertTable(rows)}\n\n`)
if (followed.length > 0) {
  const lines = followed.map(({ model, rows: scales, weights, alone, after }) => [
    model,
    count(scales),
    count(weights),
    alone.toFixed(2),
    after.toFixed(2),
    (((alone - after) * scales) / weights).toFixed(4),
  ])
  const head = ['model', 'rows', 'their weights', 'bits a scale', 'after BatchNorm', 'saves, bits a weight']
  process.stdout.write(`Scales of rows before a BatchNormalization\n${table([head, ...lines], [1, 2, 3, 4, 5])}\n`)
}
if (only === undefined) {
  process.stderr.write(
    `Written to ${await writeResults('bounds', await environment('npm run bench:bounds'), { rows, followed })}.\n`,
  )
}
