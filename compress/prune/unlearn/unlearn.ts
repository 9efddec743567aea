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
import type { Model } from '../../../sdk/onnx/index.ts'
import { analysed } from '../analysed.ts'
import type { PrunableLayer } from '../layers.ts'
import { withSignatureOf } from '../prepared.ts'
import type { Execute, Samples } from '../types.ts'
import { withInitializers } from '../weights.ts'
import { defaultEdit, layersToEdit, nothingToEdit } from './choice.ts'
import { plainEdits, refittedEdits } from './edits.ts'
import { countOf, logitsOf, type Predictions, predictionsOf, shareDiffering } from './predictions.ts'

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
    model: withSignatureOf(edited, model),
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
