/**
 * What the weight codec is judged by: sizes and decoding speed on real models, ours beside every peer, in one run on one
 * machine. Prints tables, and at the end each bar with what was measured.
 *
 *     npm run bench:weights [part of a file name]
 *
 * Sizes come first, while peers work in other processes; then nothing else runs, and decoders are timed. With a part of a
 * name, only those models are measured, and nothing is written.
 */

import { readFile } from 'node:fs/promises'
import { loadavg } from 'node:os'
import { basename } from 'node:path'
import { typescriptDecoder, wasmDecoder } from '../../../compress/index.ts'
import { barTable } from '../bar.ts'
import { environment, writeResults } from '../environment.ts'
import { absentTools, toolVersions } from '../general-compressors.ts'
import { realModels } from '../real-models.ts'
import { barsOf } from './bars.ts'
import { decodingOf, ROUNDS } from './decoding.ts'
import { type DeltaRow, fineTunedDelta, perturbedDelta } from './delta.ts'
import { type FileRow, wholeFile } from './files.ts'
import { setsOf, TYPES } from './sets.ts'
import { summaryOf, type Timed } from './speeds.ts'
import { decodingTable, deltaTable, fileTable, sizeTable } from './tables.ts'
import { type SizedSet, sizesOf } from './tensors.ts'

const note = (line: string): void => void process.stderr.write(`${line}\n`)
const say = (title: string, text: string): void => void process.stdout.write(`${title}\n${text}\n\n`)

/** Prints a table, unless it would be a head without rows. */
function section<Row>(title: string, rows: readonly Row[], render: (rows: readonly Row[]) => string): void {
  if (rows.length > 0) say(title, render(rows))
}

const only = process.argv[2]
const started = performance.now()
const elapsed = (): number => Math.round((performance.now() - started) / 1e3)
for (const sentence of absentTools()) note(sentence)

const sets: SizedSet[] = []
const files: FileRow[] = []
const paths = await realModels(only)
if (paths.length === 0) throw new Error(`No model has "${only}" in its path.`)
const deltas: DeltaRow[] = [await fineTunedDelta()]
for (const path of paths) {
  const model = new Uint8Array(await readFile(path))
  const name = basename(path, '.onnx')
  note(`${name}, after ${elapsed()} s …`)
  const own = setsOf(name, model)
  for (const set of own) sets.push(await sizesOf(set))
  files.push(
    await wholeFile(
      name,
      model,
      own.some(({ counts }) => counts),
    ),
  )
  for (const set of own) if (set.type === 'fp32' && set.counts) deltas.push(await perturbedDelta(set))
}

note(`decoding, after ${elapsed()} s …`)
const load = loadavg()[0]
const timed: Timed[] = []
const decoders = [await wasmDecoder(), typescriptDecoder()]
for (const sized of sets.filter(({ set }) => set.counts)) {
  timed.push({ set: sized.set, milliseconds: await decodingOf(sized, decoders) })
}
const decoding = Object.fromEntries(TYPES.map((type) => [type, summaryOf(type, timed)]))

section(
  'Bits a weight, by type',
  sets.filter(({ set }) => set.counts),
  sizeTable,
)
section(
  'Sets of less than 100 kB, which do not count',
  sets.filter(({ set }) => !set.counts),
  sizeTable,
)
section(
  'Whole files: bytes',
  files.filter(({ counts }) => counts),
  fileTable,
)
section(
  'Models of less than 100 kB of weights, which do not count',
  files.filter(({ counts }) => !counts),
  fileTable,
)
section('Δ in bfloat16: bits a weight', deltas, deltaTable)
section('Decoding: MB of output a second, one thread', timed, (rows) => decodingTable(rows, decoding))
const bars = barsOf({ sets, files, deltas, decoding })
say(only === undefined ? 'The bars' : `The bars, of "${only}" only`, barTable(bars))

const seconds = elapsed()
note(`${seconds} s.`)
if (only === undefined) {
  const here = await environment('npm run bench:weights', ['zstddec'])
  const results = {
    seconds,
    rounds: ROUNDS,
    load,
    bars,
    sets: sets.map(({ set: { model, kind, type, weights, counts }, bits, circuits }) => ({
      model,
      kind,
      type,
      weights,
      counts,
      bits,
      circuits,
    })),
    files,
    deltas,
    decoding,
    milliseconds: timed.map(({ set: { model, type, weights, raw }, milliseconds }) => ({
      model,
      type,
      weights,
      bytes: raw.length,
      ...milliseconds,
    })),
  }
  const versions = { ...here.versions, ...toolVersions() }
  note(`Written to ${await writeResults('weights', { ...here, versions }, results)}.`)
}
