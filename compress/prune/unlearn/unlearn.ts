/**
 * ModHiFi-U (Kashyap et al., "ModHiFi: Identifying High Fidelity predictive components for Model Modification", NeurIPS 2025): a
 * class is unlearned by taking away the components that carry it, in the second half of the layers, without labels or gradients.
 * Where the paper looks at the samples to forget alone, samples to retain say more:
 *
 *     score   share of a layer's output energy that input i has on the samples to forget / its share on those to retain
 *     edit    the inputs that score highest are taken away, or negated in nets with LayerNormalization
 *     refit   ridge least squares: on samples to retain the layer gives what it gave, on those to forget
 *             t − (m + γ) v, where m is the margin by which their class wins and v = Cov(t, z) Cov(z, z)⁻¹ e, the change of the
 *             layer's outputs that goes with the logit z of that class and no other
 *
 * γ, the margin by which the class shall lose, is the smallest for which samples held back are forgotten. Without samples to
 * retain there is no refit; then the smallest share of components, scored as in the paper, is sought.
 */

import { type CallOptions, HardpackError, shuffled, type Tensor, throwIfAborted } from '../../../sdk/core/index.ts'
import { indexGraph, type Model } from '../../../sdk/onnx/index.ts'
import { aimOf, endingOf } from '../aims.ts'
import { analysed } from '../analysed.ts'
import { layersOf, type PrunableLayer, tensorsOfRefit } from '../layers.ts'
import { beside, downstream, waves } from '../parts.ts'
import { type Refit, sequentialRefit } from '../refit.ts'
import { type CrossMoments, crossStatisticsOf, type InputStatistics, statisticsOf } from '../statistics.ts'
import type { Analysis, Execute, Samples } from '../types.ts'
import { withInitializers } from '../weights.ts'
import { appendForgetting, type Direction, directionsOf, FORGET_WEIGHT } from './direction.ts'
import { lowered, mixed, mixedMoments } from './moments.ts'
import { countOf, logitsOf, type Predictions, predictionsOf, shareDiffering } from './predictions.ts'
import { columnsOfTop, componentShares, editedColumns, editedComponents, inputScores } from './scores.ts'

export interface UnlearnOptions extends CallOptions {
  /** What is done with high-fidelity weights; `negate` for nets with LayerNormalization, `zero` elsewhere, unless told. */
  edit?: 'zero' | 'negate'
  /** Names of the layers to edit, by their output; the second half of the hidden ones unless told. */
  layers?: readonly string[]
  /** The share of samples to forget that may still be taken for their class; 0.02 unless told. */
  target?: number
  seed?: number
}

export interface UnlearnReport {
  /** The class that the samples to forget are mostly taken for. */
  readonly class: number
  readonly edit: 'zero' | 'negate'
  /** γ, in logits, or without samples to retain the share of components that were edited. */
  readonly strength: number
  /** Whether the target was reached. */
  readonly forgotten: boolean
  /** Share of samples, held back from the fit, that are taken for the class. */
  readonly forget: { readonly samples: number; readonly before: number; readonly after: number }
  /** Share of samples, held back from the fit, whose best class is another one than before. */
  readonly retain?: { readonly samples: number; readonly disagreement: number }
  readonly layers: readonly {
    readonly name: string
    readonly op: string
    readonly weights: number
    /** Weights that were made zero or negated, and those that changed at all. */
    readonly edited: number
    readonly changed: number
  }[]
  readonly seconds: number
}

export interface UnlearnResult {
  readonly model: Model
  readonly report: UnlearnReport
}

const TARGET = 0.02
/** Inputs of a layer that are edited, as a share. */
const EDITED = 0.05
/** γ as a multiple of the mean margin of samples to retain. */
const MARGINS = [0, 0.25, 0.5, 1, 1.5, 2, 3, 4, 6]
/** Another γ at which the refit is computed. */
const FAR = 2
/** Shares of components that are tried without samples to retain. */
const SHARES = [0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5]
/** The share of samples that judges. */
const HELD = 0.3
const FEWEST = 10

/**
 * Makes a classifier forget the class that some samples show.
 *
 * @param forget samples of the class to forget; a few hundred
 * @param retain samples of the others; without them accuracy on the others suffers
 * @throws HardpackError `INVALID_INPUT` for too few samples; `INVALID_ARGUMENT` for layers that are not there;
 *   `UNSUPPORTED_MODEL` for a model that gives no class scores or has no layer to edit; `ABORTED`.
 * @example
 * const { model, report } = await unlearn(readModel(bytes), shirts, others, execute)
 * report.forget.after // 0.01
 */
export async function unlearn(
  model: Model,
  forget: Samples,
  retain: Samples | undefined,
  execute: Execute,
  options: UnlearnOptions = {},
): Promise<UnlearnResult> {
  const started = performance.now()
  const { signal, onProgress, target = TARGET, seed = 0 } = options
  const calls: CallOptions = { signal, onProgress }
  checkCount(forget, 'forget')
  if (retain) checkCount(retain, 'retain')
  const analysis = await analysed(model, forget, execute, calls)
  const logits = logitsOf(analysis)
  const layers = layersToEdit(analysis, options.layers)
  const edit = options.edit ?? defaultEdit(analysis.model)
  const forgets = parted(forget, seed)
  const retains = retain && parted(retain, seed)
  const predict = (net: Model, samples: Samples, indices: readonly number[]): Promise<Predictions> =>
    predictionsOf(net, logits, samples, indices, execute, { signal })
  const before = await predict(analysis.model, forget, forgets.held)
  const kept = retains && retain && (await predict(analysis.model, retain, retains.held))
  const chosen = before.mostly
  const judge = async (values: ReadonlyMap<string, Tensor>): Promise<number> => {
    throwIfAborted(signal)
    const after = await predict(withInitializers(analysis.model, values), forget, forgets.held)
    return countOf(after.classes, chosen) / after.classes.length
  }
  const net = { analysis, layers, edit, execute, calls, forget, fitted: forgets.fitted }
  const edits =
    retain && retains && kept
      ? await refittedEdits({
          ...net,
          retain,
          retained: retains.fitted,
          logits,
          classes: before.columns,
          chosen,
          margin: kept.margin,
        })
      : await plainEdits(net)
  let best: { strength: number; values: ReadonlyMap<string, Tensor>; after: number } | undefined
  for (const [done, { strength, values }] of edits.candidates.entries()) {
    onProgress?.({ stage: 'search', done, total: edits.candidates.length })
    const made = values()
    const after = await judge(made)
    if (!best || after < best.after) best = { strength, values: made, after }
    if (after <= target) break
  }
  if (!best) throw nothingToEdit()
  onProgress?.({ stage: 'search', done: edits.candidates.length, total: edits.candidates.length })
  const edited = withInitializers(analysis.model, best.values)
  const retainedAfter = retain && retains && (await predict(edited, retain, retains.held))
  const { values, strength, after } = best
  return {
    model: edited,
    report: {
      class: chosen,
      edit,
      strength,
      forgotten: after <= target,
      forget: {
        samples: forgets.held.length,
        before: countOf(before.classes, chosen) / before.classes.length,
        after,
      },
      ...(kept && retainedAfter
        ? {
            retain: {
              samples: retainedAfter.classes.length,
              disagreement: shareDiffering(kept.classes, retainedAfter.classes),
            },
          }
        : {}),
      layers: layers.map((layer) => reportOf(layer, values, edits.edited(layer, strength))),
      seconds: (performance.now() - started) / 1e3,
    },
  }
}

interface Candidates {
  readonly candidates: readonly { readonly strength: number; readonly values: () => ReadonlyMap<string, Tensor> }[]
  /** How many weights of a layer were made zero or negated. */
  edited(layer: PrunableLayer, strength: number): number
}

interface Editing {
  readonly analysis: Analysis
  readonly layers: readonly PrunableLayer[]
  readonly edit: 'zero' | 'negate'
  readonly execute: Execute
  readonly calls: CallOptions
  readonly forget: Samples
  readonly fitted: readonly number[]
}

/** The paper's edit: components (c, i) by their share of E‖Y_c‖² on the samples to forget. */
async function plainEdits({ analysis, layers, edit, execute, calls, forget, fitted }: Editing): Promise<Candidates> {
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

interface Refitting extends Editing {
  readonly retain: Samples
  readonly retained: readonly number[]
  readonly logits: string
  readonly classes: number
  readonly chosen: number
  /** The mean margin of samples to retain, in logits. */
  readonly margin: number
}

/** Edits each layer in turn and refits it; what the last ones give depends on γ. */
async function refittedEdits(plan: Refitting): Promise<Candidates> {
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
        const aimed = mixedMoments(retain, forget, (a, b) => mixed(a, lowered(b, direction, gamma), FORGET_WEIGHT))
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
  const aims = wave.map((layer) => aimOf(analysis, layer, both, waiting))
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

/** Hidden layers, of which the last half, or those that are named. */
function layersToEdit(analysis: Analysis, names: readonly string[] | undefined): PrunableLayer[] {
  const { model, contractions } = analysis
  const hidden = contractions.filter(({ output }) => {
    const behind = downstream(model, [output])
    return contractions.some((other) => other.output !== output && behind.has(other.output))
  })
  const editable = [...layersOf(analysis).values()].filter(
    ({ contraction, layout }) =>
      layout.groups === 1 && layout.rowsOfOutput === 1 && hidden.some(({ output }) => output === contraction.output),
  )
  if (names) {
    const missing = names.find((name) => !editable.some((layer) => layer.name === name))
    if (missing === undefined) return names.flatMap((name) => editable.filter((layer) => layer.name === name))
    throw new HardpackError(
      'INVALID_ARGUMENT',
      `Layers to edit expected some of ${editable.map(({ name }) => `"${name}"`).join(', ') || 'none'}, got "${missing}".`,
      { hint: 'The layer that gives the class scores, and depthwise ones, are not edited.' },
    )
  }
  const second = new Set(hidden.slice(Math.floor(hidden.length / 2)).map(({ output }) => output))
  const late = editable.filter(({ name }) => second.has(name))
  const residual = hasLayerNorm(model)
    ? late.filter(({ contraction }) => endingOf(analysis, contraction).residual !== undefined)
    : []
  const found = residual.length > 0 ? residual : late
  if (found.length === 0) throw nothingToEdit()
  return found
}

const nothingToEdit = (): HardpackError =>
  new HardpackError(
    'UNSUPPORTED_MODEL',
    'Unlearning expected hidden layers with float32 weights in the second half of the model, got none.',
    { hint: 'Give a model that is not quantised, with two layers or more.' },
  )

const hasLayerNorm = (model: Model): boolean =>
  indexGraph(model.graph).graph.node.some(({ opType }) => opType === 'LayerNormalization')

const defaultEdit = (model: Model): 'zero' | 'negate' => (hasLayerNorm(model) ? 'negate' : 'zero')

function checkCount({ count }: Samples, what: 'forget' | 'retain'): void {
  if (count >= FEWEST) return
  throw new HardpackError('INVALID_INPUT', `Samples to ${what} expected at least ${FEWEST}, got ${count}.`, {
    hint: 'Give a few hundred.',
  })
}

/** Samples to fit on, and those that judge. */
function parted({ count }: Samples, seed: number): { fitted: number[]; held: number[] } {
  const order = shuffled(count, seed)
  const held = Math.ceil(HELD * count)
  return { held: order.slice(0, held), fitted: order.slice(held) }
}

function reportOf(
  { name, contraction, weights, layout }: PrunableLayer,
  values: ReadonlyMap<string, Tensor>,
  edited: number,
): UnlearnReport['layers'][number] {
  const data = values.get(contraction.weight)?.data as Float32Array
  let changed = 0
  let from = 0
  for (let row = 0; row < layout.rows; row++) {
    for (let column = 0; column < layout.columns; column++) {
      if (data[layout.at(0, row, column)] !== Math.fround(weights[from++])) changed++
    }
  }
  return { name, op: contraction.op, weights: weights.length, edited, changed }
}
