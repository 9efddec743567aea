/**
 * Whether real models are cut right: about 30 % of the units of every group, at random, are removed, then all residual branches, too, and
 * the narrower model must equal the whole one in which the weights that read them are zero. Error is the largest difference, in units of the
 * larger of 1 and the output's largest element.
 */

import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { analyse, type Execute, mask, observeValues, type Samples, slice } from '../../../compress/prune/index.ts'
import { errorBetween, randomKept } from '../../../compress/prune/oracle.fixture.ts'
import { elementCount, rng } from '../../../sdk/core/index.ts'
import { feedsOf, type Model, readModel, type ValueInfoProto, writeModel } from '../../../sdk/onnx/index.ts'
import { node } from '../../../targets/node.ts'
import { dataFolder } from '../environment.ts'

/** Stored in other types: their rounding is not what is measured here. */
const NOT_FP32 = /int8|fp16/

/** For symbolic sizes of pictures. */
const SIDE = 320

const INT32 = 6

const LAYER = /^(Conv|ConvTranspose|Gemm|MatMul|LSTM|GRU|RNN)$/

export interface ArchitectureRow {
  readonly model: string
  readonly groups: number
  readonly units: number
  readonly removed: number
  /** Residual branches that can go as a whole. */
  readonly branches: number
  /** Operators that channels must stay for; outputs of the graph aside. */
  readonly frozen: readonly string[]
  /** None where there is nothing to remove. */
  readonly maxError?: number
  /** Why there is nothing to measure. */
  readonly skipped?: string
}

/** A row for every fp32 model of the data folder; or, in one sentence, what is missing. */
export async function measureArchitectures(): Promise<ArchitectureRow[] | string> {
  const folder = dataFolder()
  if (folder === undefined) return 'HARDPACK_DATA expected a folder of models, got none: no real model to cut.'
  const rows: ArchitectureRow[] = []
  for (const part of ['models', 'trained']) {
    const files = (await readdir(join(folder, part))).filter((file) => file.endsWith('.onnx') && !NOT_FP32.test(file))
    for (const file of files.sort()) {
      const model = readModel(await readFile(join(folder, part, file)))
      rows.push({ model: file, ...(await measure(model)) })
    }
  }
  return rows
}

async function measure(model: Model): Promise<Omit<ArchitectureRow, 'model'>> {
  const nothing = { groups: 0, units: 0, removed: 0, branches: 0, frozen: [] }
  const inputs = feedsOf(model.graph)
  if (inputs.length !== 1) {
    const layers = model.graph.node.filter(({ opType }) => LAYER.test(opType)).length
    const where = layers === 0 ? ', and all its layers are in bodies of other nodes, which are left as they are' : ''
    return { ...nothing, skipped: `it has ${inputs.length} inputs${where}` }
  }
  const [input] = inputs
  const samples = randomSamples(input)
  const analysis = analyse(model, await observeValues(model, samples, execute))
  const frozen = [...new Set(analysis.frozen.map(({ op }) => op))].filter((op) => op !== 'Output').sort()
  if (analysis.groups.length === 0) return { ...nothing, frozen, skipped: 'it has nothing that can be removed' }
  const kept = randomKept(analysis, 1)
  const units = analysis.groups.reduce((sum, group) => sum + group.units, 0)
  const left = [...kept.values()].reduce((sum, group) => sum + group.length, 0)
  const branches = [...analysis.branches.keys()]
  const narrower = new Map([...kept, ...branches.map((name) => [name, []] as const)])
  const feeds = { [input.name]: await samples.batch(Array.from({ length: samples.count }, (_, i) => i)) }
  const errors: number[] = []
  for (const cut of branches.length > 0 ? [kept, narrower] : [kept]) {
    const [narrow, masked] = [await run(slice(analysis, cut), feeds), await run(mask(analysis, cut), feeds)]
    errors.push(...Object.keys(masked).map((name) => errorBetween(narrow[name], masked[name])))
  }
  const { length: groups } = analysis.groups
  return { groups, units, removed: units - left, branches: branches.length, frozen, maxError: Math.max(...errors) }
}

/** Without graph optimisation, which rounds the two models differently. */
const execute: Execute = (model, options) =>
  node({ threads: 1 }).create({ model }, { ...options, optimization: 'disabled' })

async function run(model: Model, feeds: Parameters<Awaited<ReturnType<Execute>>['run']>[0]) {
  const execution = await execute(writeModel(model))
  try {
    return await execution.run(feeds)
  } finally {
    await execution.close()
  }
}

/** Uniform numbers in [−1, 1), or bytes where a model reads integers. */
function randomSamples({ type }: ValueInfoProto): Samples {
  const [first, ...rest] = type?.tensorType?.shape?.dim ?? []
  const shape = rest.map(({ dimValue }) => Number(dimValue) || SIDE)
  const size = elementCount(shape)
  const integers = type?.tensorType?.elemType === INT32
  return {
    count: Number(first?.dimValue) || 2,
    batch: async (indices) => {
      const numbers = indices.flatMap((index) => {
        const { uniform } = rng(index, 1)
        return Array.from({ length: size }, uniform)
      })
      const dims = [indices.length, ...shape]
      return integers
        ? { dtype: 'int32', shape: dims, data: Int32Array.from(numbers, (number) => 256 * number) }
        : { dtype: 'float32', shape: dims, data: Float32Array.from(numbers, (number) => 2 * number - 1) }
    },
  }
}
