/** Edits of rising strength, among which the smallest is sought that forgets: with samples to retain a refit, without them none. */

import { type CallOptions, type Tensor, throwIfAborted } from '../../../sdk/core/index.ts'
import { aimOf } from '../aims.ts'
import { type PrunableLayer, tensorsOfRefit } from '../layers.ts'
import { beside, waves } from '../parts.ts'
import { type Refit, sequentialRefit } from '../refit.ts'
import { type CrossMoments, crossStatisticsOf, type InputStatistics, mixture, statisticsOf } from '../statistics.ts'
import type { Analysis, Execute, Samples } from '../types.ts'
import { appendForgetting, type Direction, directionsOf, FORGET_WEIGHT } from './direction.ts'
import { lowered, mixedMoments } from './moments.ts'
import { columnsOfTop, componentShares, editedColumns, editedComponents, inputScores } from './scores.ts'

/** Inputs of a layer that are edited, as a share. */
const EDITED = 0.05
/** γ as a multiple of the mean margin of samples to retain. */
const MARGINS = [0, 0.25, 0.5, 1, 1.5, 2, 3, 4, 6]
/** Another γ at which the refit is computed. */
const FAR = 2
/** Shares of components that are tried without samples to retain. */
const SHARES = [0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5]

/** Edits of rising strength. */
export interface Candidates {
  readonly candidates: readonly { readonly strength: number; readonly values: () => ReadonlyMap<string, Tensor> }[]
  /** How many weights of a layer were made zero or negated. */
  edited(layer: PrunableLayer, strength: number): number
}

export interface Editing {
  readonly analysis: Analysis
  readonly layers: readonly PrunableLayer[]
  readonly edit: 'zero' | 'negate'
  readonly execute: Execute
  readonly calls: CallOptions
  readonly forget: Samples
  readonly fitted: readonly number[]
}

/** The paper's edit: components (c, i) by their share of E‖Y_c‖² on the samples to forget. */
export async function plainEdits({
  analysis,
  layers,
  edit,
  execute,
  calls,
  forget,
  fitted,
}: Editing): Promise<Candidates> {
  const contractions = layers.map(({ contraction }) => contraction)
  const statistics = await statisticsOf(analysis, contractions, forget, execute, { ...calls, indices: fitted })
  const shares = layers.map((layer) => componentShares(layer, statistics.get(layer.name) as InputStatistics))
  const counted = (share: number, layer: PrunableLayer): number => {
    const components = shares[layers.indexOf(layer)].length
    return Math.round(share * components) * layer.layout.columnsOfInput
  }
  return {
    candidates: SHARES.map((strength) => ({
      strength,
      values: () =>
        new Map(
          layers.flatMap((layer, i) => {
            const weights = editedComponents(layer, shares[i], strength, edit)
            return tensorsOfRefit(layer, { weights, bias: layer.bias })
          }),
        ),
    })),
    edited: (layer, strength) => counted(strength, layer),
  }
}

export interface Refitting extends Editing {
  readonly retain: Samples
  readonly retained: readonly number[]
  readonly logits: string
  readonly classes: number
  readonly chosen: number
  /** The mean margin of samples to retain, in logits. */
  readonly margin: number
}

/** Edits each layer in turn and refits it; what the last ones give depends on γ. */
export async function refittedEdits(plan: Refitting): Promise<Candidates> {
  const { analysis, layers, edit, calls, margin } = plan
  const { signal, onProgress } = calls
  const directions = await directionsOf(plan, layers)
  const values = new Map<string, Tensor>()
  const order = [...waves(analysis.model, layers, ({ contraction }) => contraction)]
  let last: (gamma: number) => Map<string, Tensor> = () => new Map()
  const columns = new Map<string, readonly number[]>()
  for (const [at, { wave, waiting }] of order.entries()) {
    throwIfAborted(signal)
    onProgress?.({ stage: 'refit', done: at, total: order.length })
    const statistics = await waveStatistics(plan, wave, values, waiting, directions)
    const refits = wave.map((layer) => {
      const { retain, forget, biased } = statistics(layer.name)
      const scores = inputScores(layer, forget.whole, retain.whole)
      const top = columnsOfTop(layer, scores, EDITED)
      columns.set(layer.name, top)
      const { kept, weights } = editedColumns(layer, top, edit)
      const added = biased ? undefined : layer.bias
      const { direction } = directions.get(layer.name) as Direction
      return (gamma: number): Refit => {
        const aimed = mixedMoments(retain, forget, (a, b) =>
          mixture(a, lowered(b, direction, gamma), [1, FORGET_WEIGHT]),
        )
        return sequentialRefit(layer, aimed, [kept], weights, added)
      }
    })
    const refitted = refits.map((refit) => refit(0))
    if (at < order.length - 1) {
      for (const [i, layer] of wave.entries()) {
        for (const [name, tensor] of tensorsOfRefit(layer, refitted[i])) values.set(name, tensor)
      }
      continue
    }
    // For one ridge a refit is affine in γ, so two say all.
    const far = FAR * margin
    const further = refits.map((refit) => refit(far))
    last = (gamma) =>
      new Map(wave.flatMap((layer, i) => tensorsOfRefit(layer, between(refitted[i], further[i], gamma / far))))
  }
  onProgress?.({ stage: 'refit', done: order.length, total: order.length })
  return {
    candidates: MARGINS.map((multiple) => ({
      strength: multiple * margin,
      values: () => new Map([...values, ...last(multiple * margin)]),
    })),
    edited: (layer) => (columns.get(layer.name)?.length ?? 0) * layer.layout.rows,
  }
}

/** Moments of layers that read the same state of the edited net, on both sets of samples. */
async function waveStatistics(
  plan: Refitting,
  wave: readonly PrunableLayer[],
  values: ReadonlyMap<string, Tensor>,
  waiting: ReadonlySet<string>,
  directions: ReadonlyMap<string, Direction>,
): Promise<(name: string) => { retain: CrossMoments; forget: CrossMoments; biased: boolean }> {
  const { analysis, execute, calls, logits, chosen } = plan
  const { signal } = calls
  const both = beside(analysis.model, values)
  const aims = wave.map((layer) => aimOf(analysis, layer, both, { waiting, sums: new Map() }))
  const options = (indices: readonly number[]) => ({ signal, indices })
  const retain = await crossStatisticsOf(analysis, both.model, aims, plan.retain, execute, options(plan.retained))
  const forgetting = aims.map((aim) => {
    const direction = directions.get(aim.contraction.output) as Direction
    return {
      ...aim,
      target: appendForgetting(both.model, aim.target, { logits, classes: plan.classes, chosen, direction }),
    }
  })
  const forget = await crossStatisticsOf(analysis, both.model, forgetting, plan.forget, execute, options(plan.fitted))
  return (name) => ({
    retain: retain.get(name) as CrossMoments,
    forget: forget.get(name) as CrossMoments,
    biased: aims.find(({ contraction }) => contraction.output === name)?.biased ?? true,
  })
}

function between(a: Refit, b: Refit, share: number): Refit {
  const mix = (from: Float64Array, to: Float64Array): Float64Array =>
    from.map((value, i) => value + share * (to[i] - value))
  return { weights: mix(a.weights, b.weights), bias: mix(a.bias, b.bias) }
}
