/**
 * The direction in a layer's outputs that goes with the logit of one class: v = Cov(t, z) Cov(z, z)⁻¹ e, the regression of the
 * outputs t, a mean over positions, on the logits z, which are centred since a softmax does not see their mean. A step along v
 * changes the logit of that class by one and the others, so far as regression says, by nothing. It needs no gradient.
 */

import type { CallOptions } from '../../../sdk/core/index.ts'
import { Fragment, type Model, opsetOf } from '../../../sdk/onnx/index.ts'
import { endingsOf } from '../ending.ts'
import type { PrunableLayer } from '../layers.ts'
import { Accumulator, BATCH, runOver, withFragment } from '../passes.ts'
import { factorOf, solveRows, withRidge } from '../symmetric.ts'
import type { Analysis, Contraction, Execute, Samples } from '../types.ts'

/** v of a layer, and where its channels lie. */
export interface Direction {
  /** A number an output, in the layer's units for each logit. */
  readonly direction: Float64Array
  readonly rank: number
  readonly axis: number
}

export interface DirectionPlan {
  readonly analysis: Analysis
  readonly logits: string
  readonly chosen: number
  readonly forget: Samples
  readonly fitted: readonly number[]
  readonly retain: Samples
  readonly retained: readonly number[]
  readonly execute: Execute
  readonly calls: CallOptions
}

const RIDGE = 1e-2
/** Weight of the samples to forget, next to those to retain. */
export const FORGET_WEIGHT = 0.2

/** Where the outputs of a layer have their channels. */
function axisOf({ kind }: Contraction, rank: number): number {
  return kind === 'linear' ? rank - 1 : 1
}

/**
 * The directions of layers.
 *
 * @returns by the name of the layer
 */
export async function directionsOf(
  plan: DirectionPlan,
  layers: readonly PrunableLayer[],
): Promise<Map<string, Direction>> {
  const { analysis, logits, chosen } = plan
  const fragment = new Fragment({ opset: opsetOf(analysis.model), prefix: 'unlearn' })
  const mean = fragment.reduce('ReduceMean', logits, [1], true)
  const centred = fragment.node('Sub', [logits, mean])
  const transposed = fragment.node('Transpose', [centred], { perm: [1, 0] })
  const names = {
    z: fragment.reduce('ReduceSum', centred, [0]),
    zz: fragment.node('MatMul', [transposed, centred]),
  }
  const endingOf = endingsOf(analysis)
  const ofLayers = layers.map(({ contraction }) => {
    const { end, residual } = endingOf(contraction)
    const stream = residual?.sum ?? end
    const rank = analysis.observed.get(contraction.output)?.shape.length ?? 2
    const axis = axisOf(contraction, rank)
    const inside = Array.from({ length: rank }, (_, i) => i).filter((i) => i !== 0 && i !== axis)
    const pooled = inside.length > 0 ? fragment.reduce('ReduceMean', stream, inside) : stream
    const across = fragment.node('Transpose', [pooled], { perm: [1, 0] })
    return {
      rank,
      axis,
      t: fragment.reduce('ReduceSum', pooled, [0]),
      tz: fragment.node('MatMul', [across, centred]),
    }
  })
  const wanted = [names.z, names.zz, ...ofLayers.flatMap(({ t, tz }) => [t, tz])]
  const longer = withFragment(analysis.model, fragment, wanted)
  const retain = await meansOf(longer, wanted, plan.retain, plan.retained, plan)
  const forget = await meansOf(longer, wanted, plan.forget, plan.fitted, plan)
  const moment = (name: string): Float64Array => {
    const ofForget = forget(name)
    return retain(name).map((value, i) => (value + FORGET_WEIGHT * ofForget[i]) / (1 + FORGET_WEIGHT))
  }
  const z = moment(names.z)
  const count = z.length
  const covariance = moment(names.zz).map((value, i) => value - z[Math.floor(i / count)] * z[i % count])
  const e = Float64Array.from(z, (_, i) => (i === chosen ? 1 : 0) - 1 / count)
  solveRows(factorOf(withRidge(covariance, count, RIDGE), count, logits), count, e)
  return new Map(
    ofLayers.map(({ t, tz, rank, axis }, at) => {
      const mean = moment(t)
      const cross = moment(tz)
      const direction = mean.map((value, i) =>
        e.reduce((sum, weight, k) => sum + weight * (cross[i * count + k] - value * z[k]), 0),
      )
      return [layers[at].name, { direction, rank, axis }]
    }),
  )
}

/** The means over samples of what is summed by batches. */
async function meansOf(
  model: Model,
  names: readonly string[],
  samples: Samples,
  indices: readonly number[],
  { execute, calls: { signal } }: DirectionPlan,
): Promise<(name: string) => Float64Array> {
  const totals = new Accumulator()
  let rows = 0
  const pass = { signal, indices, stage: 'directions', batch: BATCH }
  for await (const { outputs, count } of runOver(model, samples, execute, pass)) {
    rows += count
    for (const name of names) totals.add(name, outputs[name])
  }
  return (name) => totals.mean(name, rows)
}

/** Lower than any logit. */
const NEVER = -1e9

/** What a forgetting target is made of. */
export interface Forgetting {
  readonly logits: string
  /** How many logits there are. */
  readonly classes: number
  readonly chosen: number
  readonly direction: Direction
}

/**
 * Appends what a layer should give on samples to forget: t − m v, where m is the margin by which the class wins, or loses.
 *
 * @returns the name of the value
 */
export function appendForgetting(
  model: Model,
  target: string,
  { logits, classes, chosen, direction: { direction, rank, axis } }: Forgetting,
): string {
  const fragment = new Fragment({ opset: opsetOf(model), prefix: `unlearn/${target}` })
  const own = fragment.slice(logits, 1, chosen, chosen + 1)
  const mask = fragment.floats(Array.from({ length: classes }, (_, i) => (i === chosen ? NEVER : 0)))
  const others = fragment.reduce('ReduceMax', fragment.node('Add', [logits, mask]), [1], true)
  const margin = fragment.reshape(fragment.node('Sub', [own, others]), [-1, ...Array(rank - 1).fill(1)])
  const shape = Array.from({ length: rank }, (_, i) => (i === axis ? direction.length : 1))
  const lower = fragment.node('Sub', [target, fragment.node('Mul', [margin, fragment.floats(direction, shape)])])
  fragment.appendTo(model.graph)
  return lower
}
