/**
 * Pruning a file: samples are read, a budget of any kind becomes one that the algorithm can spend, and the result is packed
 * and timed beside the original. Where bytes or latency miss the budget, it is corrected and the file pruned anew.
 */

import { createRequire } from 'node:module'
import { type PruneResult as AlgorithmResult, type Analysis, preparePruning } from '../../compress/prune/index.ts'
import { node } from '../../targets/node.ts'
import type { Target } from '../../targets/types.ts'
import { type Bytes, type CallOptions, HardpackError, type Tensor } from '../core/index.ts'
import { type Model, readModel, signatureOf, type TensorValue, writeModel } from '../onnx/index.ts'
import type { Preprocess, SampleSet } from '../pack/samples/index.ts'
import { filled } from '../run/rows.ts'
import { blockOf } from './block.ts'
import { type Budget, budgetText } from './budget.ts'
import { executeOn } from './execute.ts'
import { aimOf, type Gauge, gaugeOf, judge } from './gauge.ts'
import { type Latency, measureLatency } from './latency.ts'
import { bytesByContraction, type PackedSizes, packedSizes } from './packed-bytes.ts'
import type { FilePruneReport, PrunedLayer } from './report-data.ts'
import { type HeldSamples, heldSamples } from './samples.ts'
import { percent } from './summary.ts'
import { type SyntheticKind, syntheticFor } from './synthetic/index.ts'
import { warningsOf } from './warnings.ts'

export interface PruneOptions extends CallOptions {
  readonly budget: Budget
  /** Unlabelled inputs like those that the model will see. Without them it is pruned on synthetic pictures. */
  readonly samples?: Pick<SampleSet, 'batch' | 'count'> & { readonly name?: string }
  /** How pictures become inputs, for synthetic ones. */
  readonly preprocess?: Preprocess
  readonly synthetic?: SyntheticKind
  /** At most so many samples, drawn at random; 512 unless told. */
  readonly limit?: number
  /** `paper`: the algorithm as published. */
  readonly method?: 'default' | 'paper'
  /** Numbers of channels are multiples of this. 8 unless told; for a budget of latency the block of the target, 8 or 16. */
  readonly align?: number
  /** Stop removing when a larger share of answers than this differs from the original's. */
  readonly maxDisagreement?: number
  /** Where the model runs and is measured; unless told onnxruntime in Node, measured on one thread. */
  readonly target?: Target
  /** What the report calls the model. */
  readonly name?: string
  /** Of all draws; 0 unless told. */
  readonly seed?: number
}

export interface PruneResult {
  /** An ONNX file. */
  readonly file: Bytes
  readonly report: FilePruneReport
}

const SAMPLES = 512
/** Where a set has so many samples more than it is pruned on, the result is compared with the original on others. */
const FEWEST_UNSEEN = 100
const ALIGN = 8
/** How often a budget of bytes or latency that was missed is corrected. */
const CORRECTIONS = 3

const { version } = createRequire(import.meta.url)('hardpack/package.json') as { version: string }

/** A pruned model, packed and timed. */
interface Attempt {
  readonly result: AlgorithmResult
  readonly file: Bytes
  /** Of the original, and of this. */
  readonly sizes: readonly [PackedSizes, PackedSizes]
  readonly latency: readonly Latency[]
  /** What remains, as a share. */
  readonly reached: number
  /** Whether the algorithm left more than it was asked to: then no correction helps. */
  readonly isStopped: boolean
}

/**
 * Prunes an ONNX file: removes channels, neurons and attention heads until the budget is met, and fits what remains to what
 * the original computes. It needs no labels and trains nothing.
 *
 * @param file a whole ONNX file in memory; external data already inlined (`inlineExternalData`)
 * @throws HardpackError `INVALID_ARGUMENT` for a budget that cannot be met, and for a result that answers differently more
 *   often than `maxDisagreement` allows; `INVALID_INPUT` for samples that the model does not take; `UNSUPPORTED_MODEL` for
 *   one with several inputs or without anything to remove; `INVALID_MODEL`, `ABORTED`.
 * @example
 * const samples = await openSamples('images', { input: { name: 'image', dtype: 'float32', shape: ['n', 3, 32, 32] } })
 * const { file: smaller, report } = await prune(file, { budget: { kind: 'flops', remain: 0.5 }, samples })
 */
export async function prune(file: Uint8Array, options: PruneOptions): Promise<PruneResult> {
  const { signal, onProgress, seed = 0, limit = SAMPLES, budget, maxDisagreement } = options
  const call = { signal, onProgress }
  const startedAt = performance.now()
  const name = options.name ?? 'model'
  const model = readModel(file)
  const input = onlyInput(model)
  const target = options.target ?? node({ threads: 1 })
  const execute = executeOn(options.target, model)
  const align = options.align ?? (budget.kind === 'latency' ? await blockOf(target, call) : ALIGN)
  const isSynthetic = options.samples === undefined
  const set =
    options.samples ??
    (await syntheticFor(model, input, execute, {
      kind: options.synthetic,
      count: limit,
      seed,
      preprocess: options.preprocess,
      ...call,
    }))
  const samples = await heldSamples(set, input, { limit, seed, ...call })
  const { method } = options
  const others = isSynthetic ? 0 : set.count - samples.count
  const unseen =
    others >= FEWEST_UNSEEN ? await heldSamples(set, input, { limit, seed, skip: samples.count, ...call }) : undefined
  const prepared = await preparePruning(model, samples, execute, {
    method,
    align,
    synthetic: isSynthetic,
    unseen,
    seed,
    ...call,
  })
  const { analysis } = prepared.net
  const feeds = await oneSample(input, samples)
  const isOpen = input.shape.slice(1).some((dim) => typeof dim === 'string')
  const packing = { name, target, shapes: isOpen ? { [input.name]: feeds[input.name].shape } : {}, ...call }
  let packed: Promise<PackedSizes> | undefined
  const sizesBefore = (): Promise<PackedSizes> => {
    packed ??= packedSizes(file, { what: 'original', ...packing })
    return packed
  }
  const gauge = await gaugeOf(budget, { analysis, sizes: sizesBefore, feeds, target, align }, call)
  const attempt = async (remain: number): Promise<Attempt> => {
    const result = await prepared.to(gauge.budget(remain), { maxDisagreement })
    const pruned = writeModel(result.model)
    const after = await packedSizes(pruned, { what: 'pruned model', ...packing })
    const latency = await measureLatency([file, pruned], feeds, target, call)
    const isStopped = result.report.budget.reached > remain + 1e-9
    const reached = gauge.reached(result, after, latency[1])
    return { result, file: pruned, sizes: [await sizesBefore(), after], latency, reached, isStopped }
  }
  const best = await corrected(attempt, gauge)
  if (!best.isStopped && judge(gauge, best.reached) === 'above') throw missed(budget, best.reached)
  checkAgreement(best.result, maxDisagreement)
  const { layers, budget: _, ...rest } = best.result.report
  return {
    file: best.file,
    report: {
      ...rest,
      subject: name,
      generator: `hardpack ${version}`,
      seconds: (performance.now() - startedAt) / 1000,
      budget: { ...budget, reached: best.reached },
      align,
      source: { name: samples.name, synthetic: isSynthetic },
      layers: withBytes(layers, analysis, best.sizes),
      bytes: { onnx: [file.length, best.file.length], packed: [best.sizes[0].total, best.sizes[1].total] },
      latency: { target: target.name, before: best.latency[0], after: best.latency[1] },
      warnings: warningsOf({
        synthetic: isSynthetic,
        samples: samples.count,
        isStopped: best.isStopped,
      }),
    },
  }
}

/** A correction beyond what the model can meet ends the search: what was tried before it counts. */
function impossible(error: unknown): undefined {
  if (!(error instanceof HardpackError && error.code === 'INVALID_ARGUMENT')) throw error
}

/** The attempt that keeps most of those within the budget; where none is within it, the nearest. */
async function corrected(attempt: (remain: number) => Promise<Attempt>, gauge: Gauge): Promise<Attempt> {
  const isAbove = ({ reached }: Attempt): boolean => judge(gauge, reached) === 'above'
  let remain = gauge.remain
  let last = await attempt(remain)
  let best = last
  for (let left = CORRECTIONS; left > 0 && !last.isStopped && judge(gauge, last.reached) !== 'met'; left--) {
    // In small steps: a measurement may have been disturbed.
    remain = Math.max(0.85 * remain, Math.min(1.15 * remain, 0.99, remain - (last.reached - aimOf(gauge))))
    const next = await attempt(remain).catch(impossible)
    if (!next) break
    last = next
    const isBetter = isAbove(best) ? last.reached < best.reached : !isAbove(last) && last.reached > best.reached
    if (isBetter) best = last
  }
  return best
}

function onlyInput(model: Model): TensorValue {
  const { inputs } = signatureOf(model)
  if (inputs.length === 1) return inputs[0]
  throw new HardpackError(
    'UNSUPPORTED_MODEL',
    `Pruning expected a model with one input, got ${inputs.length}: ${inputs.map(({ name }) => name).join(', ') || 'none'}.`,
    { hint: 'Make the others constants of the model.' },
  )
}

/** The first sample, as often as a fixed batch wants it. */
async function oneSample(input: TensorValue, samples: HeldSamples): Promise<Record<string, Tensor>> {
  const [batch] = input.shape
  return { [input.name]: await samples.batch(filled([0], typeof batch === 'number' ? batch : 1)) }
}

function missed(budget: Budget, reached: number): HardpackError {
  return new HardpackError(
    'INVALID_ARGUMENT',
    `The budget expected at most ${budgetText(budget)}, got ${percent(reached)} of the original at best.`,
    { hint: 'Allow more, or a smaller --align.' },
  )
}

function checkAgreement({ kept, report: { agreement } }: AlgorithmResult, most: number | undefined): void {
  if (most === undefined || (kept.size > 0 && agreement.disagreement <= most)) return
  const got = kept.size > 0 ? percent(agreement.disagreement) : 'more with the smallest saving'
  throw new HardpackError(
    'INVALID_ARGUMENT',
    `The pruned model expected to differ from the original on at most ${percent(most)} of ${agreement.samples} samples, got ${got}.`,
    { hint: 'Allow more with --max-disagreement, or give more samples.' },
  )
}

/** Layers, with what their weights take in a package. */
function withBytes(
  layers: AlgorithmResult['report']['layers'],
  analysis: Analysis,
  sizes: readonly [PackedSizes, PackedSizes],
): PrunedLayer[] {
  const [was, is] = sizes.map((own) => bytesByContraction(analysis, own))
  return layers.map((layer) => {
    const bytes = [was.get(layer.name) ?? 0, is.get(layer.name) ?? 0] as const
    return { ...layer, ...(bytes[0] > 0 && bytes[1] > 0 ? { bytes } : {}) }
  })
}
