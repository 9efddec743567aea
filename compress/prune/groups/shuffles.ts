/**
 * Channel shuffles (ShuffleNet; Zhang et al., CVPR 2018): `Reshape`, `Transpose`, `Reshape` to the first shape again, which
 * permute the channels. As a `Gather` of them, a cut can take any of the channels; as a reshape it would have to leave the same
 * number in each group.
 */

import { elementCount } from '../../../sdk/core/index.ts'
import { intsOf, type Model, makeNode, makeTensor } from '../../../sdk/onnx/index.ts'
import { transposed } from './unshare.ts'

/**
 * Replaces shuffles in a model that may be changed.
 *
 * @param shapeOf what is known of the shapes of values
 */
export function gatherShuffles({ graph }: Model, shapeOf: (value: string) => readonly number[] | undefined): void {
  const producers = new Map(graph.node.flatMap((node) => node.output.map((name) => [name, node] as const)))
  graph.node = graph.node.map((back) => {
    const swap = producers.get(back.input[0])
    const apart = producers.get(swap?.input[0] ?? '')
    if (back.opType !== 'Reshape' || swap?.opType !== 'Transpose' || apart?.opType !== 'Reshape') return back
    const [source] = apart.input
    const order = shuffleOf(shapeOf(source), shapeOf(apart.output[0]), shapeOf(back.output[0]), intsOf(swap, 'perm'))
    if (!order) return back
    const indices = `${back.output[0]}/order`
    const data = BigInt64Array.from(order, BigInt)
    graph.initializer.push(makeTensor(indices, { dtype: 'int64', shape: [order.length], data }))
    return makeNode('Gather', [source, indices], back.output, { axis: 1 }, { name: back.name })
  })
}

/** The order of channels that a shuffle makes; undefined for what is none. */
function shuffleOf(
  from: readonly number[] | undefined,
  apart: readonly number[] | undefined,
  back: readonly number[] | undefined,
  perm: readonly number[] | undefined,
): number[] | undefined {
  if (!from || !apart || !back || !perm || from.join() !== back.join() || from.length < 2) return undefined
  const rest = from.length - 2
  const sets = apart.slice(1, apart.length - rest)
  const [batch, channels] = from
  const outer = apart[0] === batch && apart.slice(apart.length - rest).join() === from.slice(2).join()
  const within = perm.every((axis, i) => (i > 0 && i <= sets.length) || axis === i)
  if (!outer || !within || sets.length < 2 || elementCount(sets) !== channels) return undefined
  const numbers = { dtype: 'int32' as const, shape: sets, data: Int32Array.from({ length: channels }, (_, i) => i) }
  return Array.from(
    transposed(
      numbers,
      perm.slice(1, 1 + sets.length).map((axis) => axis - 1),
    ).data,
    Number,
  )
}
