/**
 * Structured pruning without labels, gradients or fine-tuning: from a model and unlabelled samples to a narrower model that meets a
 * budget. The steps: what the model computes is observed, its channels are put into groups that can only go together, moments of
 * what layers read are taken, each group's sensitivity is measured, the budget is allocated, and the net that is left is refitted
 * layer by layer and sliced.
 */

import { type CallOptions, HardpackError, shuffled, type Tensor, throwIfAborted } from '../../sdk/core/index.ts'
import { type Model, openBatch } from '../../sdk/onnx/index.ts'
import { type Allocation, allocate } from './allocate.ts'
import { reestimated } from './batch-norm.ts'
import { withBiases } from './biases.ts'
import { costByContraction, costOf } from './cost.ts'
import { type Criterion, orderBy } from './criteria.ts'
import { samplesFor } from './effort.ts'
import { analyse } from './groups/analyse.ts'
import { type Difference, type Judge, judgeOf } from './judge.ts'
import { type Kind, keptOfKinds, kindsOf } from './kinds.ts'
import { layersOf, type Net, readersOf, removedInputs, removedOutputs } from './layers.ts'
import { allocateByFidelity, compensatedNet } from './modhifi.ts'
import { observeValues } from './observe.ts'
import { gridOf, type Sensitivity, sensitivityOf, thinnedGrid } from './sensitivity.ts'
import { maskedNet, type RefittedNet, refitNet } from './sequential.ts'
import { slice } from './slice.ts'
import { statisticsOf } from './statistics.ts'
import type { Analysis, Cost, Execute, Frozen, Kept, Samples } from './types.ts'
import { copyOf, withInitializers } from './weights.ts'

export type Budget =
  /** The share of multiply-accumulates, or of weights, that may remain. */
  | { readonly kind: 'flops' | 'params'; readonly remain: number }
  /** Any other cost, and what of it may remain in its own unit. */
  | { readonly kind: 'cost'; readonly remain: number; readonly cost: (kept: Kept) => number }

export interface PruneOptions extends CallOptions {
  budget: Budget
  /** `paper`: ModHiFi-P as published. */
  method?: 'default' | 'paper'
  /** By what a group's units are ranked; `removal-loss` unless told. */
  criterion?: Criterion
  /** Whether layers are refitted; true unless told. */
  refit?: boolean
  /** What numbers of channels are multiples of; 8 unless told. */
  align?: number
  /** Stop before a larger share of samples changes its best class; for outputs without classes, the relative error. */
  maxDisagreement?: number
  /** Samples that are not real say nothing of the statistics of a BatchNormalization. */
  synthetic?: boolean
  seed?: number
}

export interface LayerReport {
  readonly name: string
  readonly op: string
  /** Outputs, inputs, multiply-accumulates and weights, before and after. */
  readonly channels: readonly [number, number]
  readonly inputs: readonly [number, number]
  readonly macs: readonly [number, number]
  readonly parameters: readonly [number, number]
  /** 1 − E‖Y − Y'‖² / E‖Y‖² after the refit, centred, of what the layer was to give. */
  readonly fidelity?: number
}

export interface PruneReport {
  readonly method: 'default' | 'paper'
  readonly criterion: Criterion
  readonly refit: boolean
  readonly samples: number
  readonly seconds: number
  readonly cost: { readonly before: Cost; readonly after: Cost }
  /** In the unit of the budget; `reached` is what remains. */
  readonly budget: { readonly kind: Budget['kind']; readonly remain: number; readonly reached: number }
  readonly layers: readonly LayerReport[]
  readonly groups: readonly {
    readonly name: string
    readonly units: readonly [number, number]
    readonly width: number
  }[]
  readonly frozen: readonly Frozen[]
  readonly agreement: { readonly samples: number; readonly disagreement: number; readonly kl?: number }
  /** The trade-off on the way: what remains, what the sensitivities say of it, and what was measured. */
  readonly curve: readonly { readonly remain: number; readonly kl: number; readonly disagreement?: number }[]
}

export interface PruneResult {
  readonly model: Model
  /** The units that stayed. */
  readonly kept: Kept
  readonly report: PruneReport
}

/** Multiply-accumulates that the first moments, and the sensitivity of all groups, may take. */
const STATISTICS_MACS = 1e11
const SENSITIVITY_MACS = 1e12

/** Samples on which a net is compared with the original for its sensitivity, and tries of a group, at least and at most. */
const JUDGED = [16, 256]
const LEVELS = [4, 10]

/**
 * Prunes a model to a budget.
 *
 * @param samples unlabelled inputs that look like the data; 500 are plenty
 * @param execute opens a model in a runtime, such as `(model) => target.create({ model })`
 * @throws HardpackError `INVALID_ARGUMENT` for a budget that cannot be met; `UNSUPPORTED_MODEL` for a model without channels that
 *   can go, or that does not take the samples; `INVALID_INPUT` for samples that never vary; `ABORTED`.
 * @example
 * const { model, report } = await prune(readModel(bytes), samples, execute, { budget: { kind: 'flops', remain: 0.5 } })
 */
export async function prune(
  model: Model,
  samples: Samples,
  execute: Execute,
  options: PruneOptions,
): Promise<PruneResult> {
  const started = performance.now()
  const { budget, method = 'default', criterion = 'removal-loss', refit = true, align = 8, seed = 0 } = options
  checkOptions(options)
  const { signal, onProgress } = options
  const calls: CallOptions = { signal, onProgress }
  const analysis = await analysed(model, samples, execute, calls)
  const layers = layersOf(analysis)
  const groups = analysis.groups.filter(
    (group) => readersOf(group, layers).length === group.readers.length && group.readers.length > 0 && group.units > 1,
  )
  if (groups.length === 0) throw nothingToPrune(analysis)
  const costOfKept = budgetCost(analysis, budget)
  const target = budget.kind === 'cost' ? budget.remain : budget.remain * costOfKept(new Map())
  const readers = groups.flatMap((group) => group.readers.map(({ contraction }) => contraction))
  const { macs } = costOf(analysis)
  const [indices] = samplesFor(analysis, [readers], samples.count, STATISTICS_MACS / macs, seed)
  const statistics = await statisticsOf(analysis, [...new Set(readers)], samples, execute, { ...calls, indices })
  const net: Net = { analysis, groups, layers, statistics, samples, execute }
  const everything = Array.from({ length: samples.count }, (_, i) => i)
  const judge = await judgeOf(analysis.model, samples, everything, execute, { signal })
  const kinds = groups.flatMap(kindsOf).filter(({ group }) => group.readers.length > 0)
  const allocations = { target, costOf: (kept: Kept) => costOfKept(keptOfKinds(kinds, kept)), align }
  const steps =
    method === 'paper'
      ? allocateByFidelity(net, kinds, allocations)
      : allocate(await sensitivitiesOf(net, kinds, { align, refit, criterion, seed }, calls), allocations)
  const path = steps.map((step) => ({ ...step, kept: keptOfKinds(kinds, step.kept) }))
  const finish = async ({ kept }: Allocation): Promise<Finished> => {
    throwIfAborted(signal)
    const refitted = await refittedNet(net, kept, options)
    const narrow = slice({ ...analysis, model: withInitializers(analysis.model, refitted.values) }, kept)
    return { kept, model: narrow, refitted, difference: await judge.compare(narrow, { signal }) }
  }
  const { finished, measured } = await chosen(path, finish, options.maxDisagreement)
  const whole = costOfKept(new Map())
  return {
    model: withSignatureOf(finished.model, model),
    kept: finished.kept,
    report: {
      method,
      criterion,
      refit,
      samples: samples.count,
      seconds: (performance.now() - started) / 1000,
      cost: { before: costOf(analysis), after: costOf(analysis, finished.kept) },
      budget: { kind: budget.kind, remain: budget.remain, reached: reachedOf(costOfKept, finished.kept, budget) },
      layers: layerReports(analysis, finished),
      groups: analysis.groups.map(({ name, units, width }) => ({
        name,
        units: [units, finished.kept.get(name)?.length ?? units],
        width,
      })),
      frozen: analysis.frozen,
      agreement: agreementOf(judge, finished.difference),
      curve: path.map((allocation) => ({
        remain: allocation.cost / whole,
        kl: measured.get(allocation)?.distance ?? allocation.distance,
        disagreement: measured.get(allocation)?.disagreement,
      })),
    },
  }
}

interface Finished {
  readonly kept: Kept
  readonly model: Model
  readonly refitted: RefittedNet
  readonly difference: Difference
}

function checkOptions({ budget: { kind, remain }, align = 8, maxDisagreement = 1 }: PruneOptions): void {
  if (!(remain > 0 && (kind === 'cost' || remain < 1))) {
    const expected = kind === 'cost' ? 'a positive budget' : 'a budget between 0 and 1'
    throw new HardpackError('INVALID_ARGUMENT', `Pruning expected ${expected}, got ${remain}.`, {
      hint: 'Give the share that is to remain.',
    })
  }
  if (!(Number.isSafeInteger(align) && align > 0)) {
    throw new HardpackError('INVALID_ARGUMENT', `Pruning expected align to be a positive integer, got ${align}.`)
  }
  if (!(maxDisagreement >= 0)) {
    throw new HardpackError('INVALID_ARGUMENT', `Pruning expected maxDisagreement from 0 up, got ${maxDisagreement}.`)
  }
}

/** The analysis of a model whose layers all have a bias, for batches of any size where it takes those. */
async function analysed(model: Model, samples: Samples, execute: Execute, options: CallOptions): Promise<Analysis> {
  const { open, observed } = await opened(model, samples, execute, options)
  const first = analyse(open, observed)
  const lacking = first.contractions.filter(({ bias, weight }) => bias === undefined && isFloat(first.model, weight))
  if (lacking.length === 0) return first
  const longer = withBiases(first, lacking)
  return analyse(longer.model, longer.observed)
}

const FLOAT = 1

const isFloat = ({ graph }: Model, name: string): boolean =>
  graph.initializer.some((tensor) => tensor.name === name && tensor.dataType === FLOAT)

async function opened(model: Model, samples: Samples, execute: Execute, { signal }: CallOptions) {
  const open = openBatch(model, 'n')
  try {
    const observed = await observeValues(open, samples, execute, { signal })
    const batch = observed.get(model.graph.input[0].name)?.shape[0]
    if (model.graph.output.every(({ name }) => observed.get(name)?.shape[0] === batch)) return { open, observed }
  } catch (error) {
    if (!(error instanceof HardpackError && error.code === 'UNSUPPORTED_MODEL')) throw error
  }
  return { open: model, observed: await observeValues(model, samples, execute, { signal }) }
}

function nothingToPrune({ frozen }: Analysis): HardpackError {
  const [most] = [...frozen].sort((a, b) => b.macs - a.macs)
  const reason = most ? `none, because of ${most.op} "${most.node}": ${most.reason}` : 'none'
  return new HardpackError('UNSUPPORTED_MODEL', `Pruning expected a model with channels that can go, got ${reason}.`, {
    hint: 'Pack it without --prune.',
  })
}

function budgetCost(analysis: Analysis, budget: Budget): (kept: Kept) => number {
  if (budget.kind === 'cost') return budget.cost
  const part = budget.kind === 'flops' ? 'macs' : 'parameters'
  return (kept) => costOf(analysis, kept)[part]
}

const reachedOf = (cost: (kept: Kept) => number, kept: Kept, { kind }: Budget): number =>
  kind === 'cost' ? cost(kept) : cost(kept) / cost(new Map())

async function sensitivitiesOf(
  { analysis, layers, statistics, samples, execute }: Net,
  kinds: readonly Kind[],
  { align, refit, criterion, seed }: { align: number; refit: boolean; criterion: Criterion; seed: number },
  { signal, onProgress }: CallOptions,
): Promise<Sensitivity[]> {
  const { macs } = costOf(analysis)
  const groups = kinds.map(({ group }) => group)
  // Tries first, samples from what they leave.
  const affordable = (samplesOfTry: number): number => SENSITIVITY_MACS / (groups.length * samplesOfTry * macs)
  const levels = within(LEVELS, affordable(JUDGED[1] / 4))
  const tries = groups.reduce((sum, group) => sum + thinnedGrid(gridOf(group, align), levels).length, 0)
  const indices = shuffled(samples.count, seed).slice(0, within(JUDGED, SENSITIVITY_MACS / (tries * macs)))
  const judge = await judgeOf(analysis.model, samples, indices, execute, { signal })
  const sensitivities: Sensitivity[] = []
  for (const [done, group] of groups.entries()) {
    throwIfAborted(signal)
    onProgress?.({ stage: 'sensitivity', done, total: groups.length })
    const order = orderBy(criterion, group, layers, statistics, seed + done)
    sensitivities.push(
      await sensitivityOf(analysis, group, layers, statistics, judge, { align, levels, refit, order, signal }),
    )
  }
  onProgress?.({ stage: 'sensitivity', done: groups.length, total: groups.length })
  return sensitivities
}

/** The weights of the layers that stay, by the method asked for. */
async function refittedNet(net: Net, kept: Kept, options: PruneOptions): Promise<RefittedNet> {
  const { analysis, layers, statistics, samples, execute } = net
  const { method = 'default', refit = true, synthetic = false, signal, onProgress } = options
  const calls = { signal, onProgress, macs: costOf(analysis).macs, seed: options.seed ?? 0 }
  if (method === 'paper') {
    const values = await reestimated(analysis, compensatedNet(net, kept), samples, execute, calls)
    return { values, fidelity: new Map() }
  }
  if (!refit) return { values: maskedNet(analysis, kept, layers), fidelity: new Map() }
  const refitted = await refitNet(analysis, kept, layers, statistics, samples, execute, calls)
  if (synthetic || samples.count < 2) return refitted
  return { ...refitted, values: await betterNorms(net, refitted.values, calls) }
}

/** With new statistics of live BatchNormalization nodes from half of the samples, where the other half agrees better then. */
async function betterNorms({ analysis, samples, execute }: Net, values: Map<string, Tensor>, options: CallOptions) {
  const all = Array.from({ length: samples.count }, (_, i) => i)
  const [fit, held] = [0, 1].map((part) => all.filter((i) => i % 2 === part))
  const normed = await reestimated(analysis, values, samples, execute, { ...options, indices: fit })
  if (normed.size === values.size) return values
  const judge = await judgeOf(analysis.model, samples, held, execute, options)
  const [before, after] = [values, normed].map((tensors) => judge.compare(withInitializers(analysis.model, tensors)))
  return (await after).distance < (await before).distance ? normed : values
}

const within = ([least, most]: readonly number[], value: number): number =>
  Math.max(least, Math.min(most, Math.floor(value)))

/** The last allocation, or the last whose net agrees well enough with the original, by bisection. */
async function chosen(
  path: readonly Allocation[],
  finish: (allocation: Allocation) => Promise<Finished>,
  maxDisagreement = Number.POSITIVE_INFINITY,
): Promise<{ finished: Finished; measured: Map<Allocation, Difference> }> {
  const whole: Allocation = { kept: new Map(), cost: 0, distance: 0 }
  const measured = new Map<Allocation, Difference>()
  let [low, high] = [-1, path.length]
  let best: Finished | undefined
  let at = path.length - 1
  while (high - low > 1) {
    const finished = await finish(path[at])
    measured.set(path[at], finished.difference)
    if (finished.difference.disagreement <= maxDisagreement) [best, low] = [finished, at]
    else high = at
    at = Math.floor((low + high) / 2)
  }
  return { finished: best ?? (await finish(whole)), measured }
}

function agreementOf({ classes, samples }: Judge, { disagreement, distance }: Difference): PruneReport['agreement'] {
  return classes ? { samples, disagreement, kl: distance } : { samples, disagreement }
}

/** Inputs and outputs as they were declared: the batch may have been opened. */
function withSignatureOf(narrow: Model, { graph: { input, output } }: Model): Model {
  const own = new Map(input.map((value) => [value.name, value]))
  return copyOf(narrow, {
    graph: copyOf(narrow.graph, {
      input: narrow.graph.input.map((value) => own.get(value.name) ?? value),
      output: [...output],
    }),
  })
}

function layerReports(analysis: Analysis, { kept, model, refitted }: Finished): LayerReport[] {
  const [before, after] = [costByContraction(analysis), costByContraction(analysis, kept)]
  const [was, is] = [analysis.model, model].map(
    ({ graph }) =>
      new Map(graph.initializer.map(({ name, dims }) => [name, dims.reduce<number>((n, dim) => n * Number(dim), 1)])),
  )
  return analysis.contractions.map((contraction) => {
    const { output, op, inputs, outputs, weight, bias = '', groups } = contraction
    const left = outputs - removedOutputs(analysis.groups, contraction, kept).size
    return {
      name: output,
      op,
      channels: [outputs, left],
      // Inputs of a depthwise layer go with its outputs.
      inputs: [
        inputs,
        groups === inputs ? (left * inputs) / outputs : inputs - removedInputs(analysis.groups, contraction, kept).size,
      ],
      macs: [before.get(output) ?? 0, after.get(output) ?? 0],
      parameters: [(was.get(weight) ?? 0) + (was.get(bias) ?? 0), (is.get(weight) ?? 0) + (is.get(bias) ?? 0)],
      fidelity: refitted.fidelity.get(output),
    }
  })
}
