/**
 * A model prepared for pruning: analysis, moments and sensitivities do not depend on the budget, so that several budgets, and
 * corrections of one, share them.
 */

import { type CallOptions, HardpackError, shuffled, type Tensor, throwIfAborted } from '../../sdk/core/index.ts'
import type { Model } from '../../sdk/onnx/index.ts'
import { type Allocation, allocate } from './allocate.ts'
import { analysed } from './analysed.ts'
import { reestimated } from './batch-norm.ts'
import { outerBranches, withInner } from './branches.ts'
import { type Budget, budgetCost, checkBudget } from './budget.ts'
import { costOf } from './cost.ts'
import { type Criterion, orderBy } from './criteria.ts'
import { samplesFor } from './effort.ts'
import { flattenTokens } from './flatten-tokens.ts'
import { foldShapes } from './fold-shapes.ts'
import { movedOn } from './frontier.ts'
import { type Difference, type Judge, judgeOf } from './judge.ts'
import { type Kind, keptOfKinds, kindsOf } from './kinds.ts'
import { layersOf, type Net, readersOf } from './layers.ts'
import { allocateByFidelity, compensatedNet } from './modhifi.ts'
import type { Frontier } from './passes.ts'
import { layerReports, type PruneReport } from './report.ts'
import { gridOf, type Sensitivity, sensitivityOf, thinnedGrid } from './sensitivity.ts'
import { maskedNet, type RefittedNet, refitNet } from './sequential.ts'
import { slice } from './slice.ts'
import { statisticsOf } from './statistics.ts'
import type { Analysis, Execute, Group, Kept, Samples } from './types.ts'
import { copyOf, withInitializers } from './weights.ts'

/** What does not depend on the budget. */
export interface PrepareOptions extends CallOptions {
  /** `paper`: ModHiFi-P as published. */
  method?: 'default' | 'paper'
  /** By what a group's units are ranked; `removal-loss` unless told. */
  criterion?: Criterion
  /** Whether layers are refitted; true unless told. */
  refit?: boolean
  /** What numbers of channels are multiples of; 8 unless told. */
  align?: number
  /** Samples that are not real say nothing of the statistics of a BatchNormalization. */
  synthetic?: boolean
  /** Samples that nothing is fitted to, on which the result is compared with the original: of those that it was fitted to, it knows more. */
  unseen?: Samples
  seed?: number
}

export interface PruneOptions extends PrepareOptions {
  budget: Budget
  /** Stop before a larger share of samples changes its best class; for outputs without classes, the relative error. */
  maxDisagreement?: number
}

export interface PruneResult {
  readonly model: Model
  /** The units that stayed. */
  readonly kept: Kept
  readonly report: PruneReport
}

/** A model of which all is known that pruning it to any budget takes. */
export interface PreparedPruning {
  readonly net: Net
  readonly kinds: readonly Kind[]
  /** The model of which only these units stay, refitted or not. */
  finish(kept: Kept, refit?: boolean): Promise<FinishedNet>
  /**
   * Prunes to a budget.
   *
   * @throws HardpackError as `prune` does.
   */
  to(budget: Budget, options?: Pick<PruneOptions, 'maxDisagreement'>): Promise<PruneResult>
}

export interface FinishedNet {
  readonly kept: Kept
  readonly model: Model
  /** By layer: 1 − E‖Y − Y'‖² / E‖Y‖². */
  readonly fidelity: ReadonlyMap<string, number>
  readonly difference: Difference
}

/** Multiply-accumulates that the first moments, and the sensitivity of all groups, may take. */
const STATISTICS_MACS = 1e11
const SENSITIVITY_MACS = 1e12

/** Samples on which a net is compared with the original for its sensitivity, and tries of a group, at least and at most. */
const JUDGED = [16, 256]
const LEVELS = [4, 10]

/**
 * Prepares a model.
 *
 * @throws HardpackError as `prune` does, budgets aside.
 * @example
 * const prepared = await preparePruning(readModel(bytes), samples, execute)
 * const [half, third] = [await prepared.to({ kind: 'flops', remain: 0.5 }), await prepared.to({ kind: 'flops', remain: 0.33 })]
 */
export async function preparePruning(
  model: Model,
  samples: Samples,
  execute: Execute,
  options: PrepareOptions = {},
): Promise<PreparedPruning> {
  const started = performance.now()
  const { method = 'default', criterion = 'removal-loss', refit = true, align = 8, seed = 0 } = options
  if (!(Number.isSafeInteger(align) && align > 0)) {
    throw new HardpackError('INVALID_ARGUMENT', `Pruning expected align to be a positive integer, got ${align}.`)
  }
  const { signal, onProgress } = options
  const calls: CallOptions = { signal, onProgress }
  const analysis = await analysed(model, samples, execute, calls)
  const layers = layersOf(analysis)
  const groups = analysis.groups.filter(
    (group) => readersOf(group, layers).length === group.readers.length && group.readers.length > 0 && group.units > 1,
  )
  if (groups.length === 0) throw nothingToPrune(analysis)
  const readers = groups.flatMap((group) => group.readers.map(({ contraction }) => contraction))
  const { macs } = costOf(analysis)
  const [indices] = samplesFor(analysis, [readers], samples.count, STATISTICS_MACS / macs, seed)
  const statistics = await statisticsOf(analysis, [...new Set(readers)], samples, execute, { ...calls, indices })
  const net: Net = { analysis, groups, layers, statistics, samples, execute }
  const judged = options.unseen ?? samples
  const everything = Array.from({ length: judged.count }, (_, i) => i)
  const judge = await judgeOf(analysis.model, judged, everything, execute, { signal })
  const kinds = groups.flatMap(kindsOf).filter(({ group }) => group.readers.length > 0)
  let sensitivities: Promise<Sensitivity[]> | undefined
  const prepareMs = performance.now() - started

  const finish = async (given: Kept, fitted = refit): Promise<FinishedNet> => {
    throwIfAborted(signal)
    const kept = withInner(analysis, given)
    const { values, fidelity } = await refittedNet(net, kept, { ...options, refit: fitted })
    const sliced = slice({ ...analysis, model: withInitializers(analysis.model, values) }, kept)
    const folded = await foldShapes(sliced, samples, execute, { signal })
    const narrow = await flattenTokens(folded, samples, execute, { signal })
    return { kept, model: narrow, fidelity, difference: await judge.compare(narrow, { signal }) }
  }

  const to = async (budget: Budget, { maxDisagreement }: Pick<PruneOptions, 'maxDisagreement'> = {}) => {
    const startedTo = performance.now()
    checkBudget(budget, maxDisagreement)
    const costOfKept = budgetCost(analysis, budget)
    const whole = costOfKept(new Map())
    const target = budget.kind === 'cost' ? budget.remain : budget.remain * whole
    const allocations = { target, costOf: (kept: Kept) => costOfKept(keptOfKinds(kinds, kept)), align }
    if (method === 'default') sensitivities ??= sensitivitiesOf(net, kinds, { align, refit, criterion, seed }, calls)
    const steps = sensitivities
      ? allocate(await sensitivities, allocations)
      : allocateByFidelity(net, kinds, allocations)
    const path = steps.map((step) => ({ ...step, kept: keptOfKinds(kinds, step.kept) }))
    const { finished, measured } = await chosen(path, ({ kept }) => finish(kept), maxDisagreement)
    const left = costOfKept(finished.kept)
    const report: PruneReport = {
      method,
      criterion,
      refit,
      samples: samples.count,
      seconds: (prepareMs + performance.now() - startedTo) / 1000,
      cost: { before: costOf(analysis), after: costOf(analysis, finished.kept) },
      budget: { kind: budget.kind, remain: budget.remain, reached: budget.kind === 'cost' ? left : left / whole },
      layers: layerReports(analysis, finished),
      groups: analysis.groups.map(({ name, units, width }) => ({
        name,
        units: [units, finished.kept.get(name)?.length ?? units],
        width,
      })),
      branches: outerBranches(analysis, finished.kept),
      frozen: analysis.frozen,
      agreement: agreementOf(judge, finished.difference, judged !== samples),
      curve: path.map((allocation) => ({
        remain: allocation.cost / whole,
        kl: measured.get(allocation)?.distance ?? allocation.distance,
        disagreement: measured.get(allocation)?.disagreement,
      })),
    }
    return { model: withSignatureOf(finished.model, model), kept: finished.kept, report }
  }
  return { net, kinds, finish, to }
}

function nothingToPrune({ frozen }: Analysis): HardpackError {
  const [most] = [...frozen].sort((a, b) => b.macs - a.macs)
  const reason = most ? `none, because of ${most.op} "${most.node}": ${most.reason}` : 'none'
  return new HardpackError('UNSUPPORTED_MODEL', `Pruning expected a model with channels that can go, got ${reason}.`, {
    hint: 'Pack it without --prune.',
  })
}

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
  const tries = groups.reduce(
    (sum, group) => sum + thinnedGrid(gridOf(group, align, analysis.branches.has(group.name)), levels).length,
    0,
  )
  const indices = shuffled(samples.count, seed).slice(0, within(JUDGED, SENSITIVITY_MACS / (tries * macs)))
  const judge = await judgeOf(analysis.model, samples, indices, execute, { signal })
  const sensitivities: Sensitivity[] = []
  let frontier: Frontier = new Map()
  const { model } = analysis
  for (const [done, { which, before }] of inOrderOf(model, groups).entries()) {
    throwIfAborted(signal)
    onProgress?.({ stage: 'sensitivity', done, total: groups.length })
    const move = { before, indices, model, namesOf: (value: string) => [value], signal }
    frontier = await movedOn(analysis, frontier, samples, execute, move)
    const group = groups[which]
    const order = orderBy(criterion, group, layers, statistics, seed + which)
    const options = { align, levels, refit, order, frontier, signal }
    sensitivities[which] = await sensitivityOf(analysis, group, layers, statistics, judge, options)
  }
  onProgress?.({ stage: 'sensitivity', done: groups.length, total: groups.length })
  return sensitivities
}

/** Groups in the order in which the model first reads them, and what their readers make. */
function inOrderOf({ graph }: Model, groups: readonly Group[]): { which: number; before: string[] }[] {
  const at = new Map(graph.node.flatMap(({ output }, i) => output.map((name) => [name, i])))
  const first = (outputs: readonly string[]): number => Math.min(...outputs.map((name) => at.get(name) as number))
  return groups
    .map(({ readers }, which) => ({ which, before: readers.map(({ contraction }) => contraction.output) }))
    .sort((a, b) => first(a.before) - first(b.before))
}

/** The weights of the layers that stay, by the method asked for. */
async function refittedNet(net: Net, kept: Kept, options: PrepareOptions): Promise<RefittedNet> {
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
  finish: (allocation: Allocation) => Promise<FinishedNet>,
  maxDisagreement = Number.POSITIVE_INFINITY,
): Promise<{ finished: FinishedNet; measured: Map<Allocation, Difference> }> {
  const whole: Allocation = { kept: new Map(), cost: 0, distance: 0 }
  const measured = new Map<Allocation, Difference>()
  let [low, high] = [-1, path.length]
  let best: FinishedNet | undefined
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

function agreementOf(
  { classes, samples }: Judge,
  { disagreement, distance }: Difference,
  unseen: boolean,
): PruneReport['agreement'] {
  return { samples, unseen, disagreement, ...(classes ? { kl: distance } : {}) }
}

/** Inputs and outputs as they were declared: the batch may have been opened. */
export function withSignatureOf(narrow: Model, { graph: { input, output } }: Model): Model {
  const own = new Map(input.map((value) => [value.name, value]))
  return copyOf(narrow, {
    graph: copyOf(narrow.graph, {
      input: narrow.graph.input.map((value) => own.get(value.name) ?? value),
      output: [...output],
    }),
  })
}
