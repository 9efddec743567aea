/**
 * Packs every real model there is and checks what the README promises of it: the same file back, bit-identical outputs
 * before and after on the same runtime and level, and its size beside gzip and brotli of the ONNX file.
 * `npm run bench:models`
 */

import { readFile } from 'node:fs/promises'
import { basename } from 'node:path'
import { bestDecoder } from '../../compress/decode.ts'
import { table } from '../../sdk/cli/command.ts'
import { readPackage } from '../../sdk/container/read.ts'
import { bytesOf, bytesSource, equal, messageOf, type Tensor } from '../../sdk/core/index.ts'
import { decodeChunks, goldenCases, mainGraph, runnableGraph } from '../../sdk/open/load.ts'
import { pack } from '../../sdk/pack/pack.ts'
import { unpack } from '../../sdk/pack/verify.ts'
import { node } from '../../targets/node.ts'
import type { Graph, OptimizationLevel, Target } from '../../targets/types.ts'
import { wasm } from '../../targets/wasm-node.ts'
import { environment, writeResults } from './environment.ts'
import { generalSizes } from './general-compressors.ts'
import { realModels } from './real-models.ts'

interface Row {
  readonly model: string
  readonly bytes: number
  readonly packed?: number
  readonly gzip?: number
  readonly brotli?: number
  readonly sameFile?: boolean
  /** Outputs before and after are equal in every bit, by target and level. */
  readonly sameOutputs?: Readonly<Record<string, boolean>>
  readonly packSeconds?: number
  readonly refused?: string
}

async function outputsOf(
  target: Target,
  optimization: OptimizationLevel,
  graph: Graph,
  feeds: Readonly<Record<string, Tensor>>,
) {
  const session = await target.create(graph, { optimization })
  try {
    return await session.run(feeds)
  } finally {
    await session.close()
  }
}

async function sameOutputs(model: Uint8Array, packed: Uint8Array): Promise<Record<string, boolean>> {
  const source = bytesSource(packed)
  const opened = await readPackage(source, { trust: 'unsigned' })
  const arena = await decodeChunks(source, opened, await bestDecoder())
  const graph = runnableGraph(arena, mainGraph(opened.manifest))
  const [golden] = goldenCases(arena, opened.manifest, 0)
  const results: Record<string, boolean> = {}
  for (const [target, levels] of [
    [node({ threads: 1 }), ['disabled', 'all']],
    [wasm(), ['all']],
  ] as const) {
    for (const level of levels) {
      const before = await outputsOf(target, level, { model }, golden.inputs)
      const after = await outputsOf(target, level, graph, golden.inputs)
      results[`${target.name} ${level}`] = Object.keys(before).every((name) =>
        equal(bytesOf(before[name]), bytesOf(after[name])),
      )
    }
  }
  return results
}

async function measure(path: string): Promise<Row> {
  const model = await readFile(path)
  const name = basename(path, '.onnx')
  const started = performance.now()
  let bytes: Uint8Array
  try {
    bytes = (await pack(model, { name })).bytes
  } catch (error) {
    return { model: name, bytes: model.length, refused: messageOf(error) }
  }
  return {
    model: name,
    bytes: model.length,
    packed: bytes.length,
    ...(await generalSizes(model)),
    sameFile: equal(await unpack(bytesSource(bytes), { trust: 'unsigned' }), model),
    sameOutputs: await sameOutputs(model, bytes),
    packSeconds: Math.round((performance.now() - started) / 100) / 10,
  }
}

const only = process.argv[2]
const rows: Row[] = []
for (const path of await realModels(only)) {
  process.stderr.write(`${basename(path)} …\n`)
  rows.push(await measure(path))
}
const number = (n: number | undefined): string => n?.toLocaleString('en-US') ?? '–'
const ratio = (n: number | undefined, of: number | undefined): string => (n && of ? (n / of).toFixed(3) : '–')
process.stdout.write(
  `${table(
    [
      ['model', 'ONNX', 'gzip -9', 'brotli -11', 'hardpack', '/ ONNX', '/ brotli', 'file', 'outputs', 's'],
      ...rows.map((row) => [
        row.model,
        number(row.bytes),
        number(row.gzip),
        number(row.brotli),
        number(row.packed),
        ratio(row.packed, row.bytes),
        ratio(row.packed, row.brotli),
        row.refused ? 'refused' : row.sameFile ? 'same' : 'DIFFERENT',
        row.refused
          ? row.refused.slice(0, 90)
          : Object.values(row.sameOutputs ?? {}).every(Boolean)
            ? 'same'
            : 'DIFFERENT',
        row.packSeconds?.toFixed(1) ?? '–',
      ]),
    ],
    [1, 2, 3, 4, 5, 6, 9],
  )}\n`,
)
if (only === undefined) {
  const written = await writeResults('models', await environment('npm run bench:models'), rows)
  process.stderr.write(`Written to ${written}.\n`)
}
if (rows.some((row) => row.sameFile === false || Object.values(row.sameOutputs ?? {}).includes(false)))
  process.exitCode = 1
