/**
 * The model with its shapes as they were, in which contractions read zeros where units are removed: what `slice` must equal,
 * and a way to try a removal without another shape.
 */

import { intOf, type Model, makeTensor, type NodeProto, payloadOf, type TensorProto } from '../../sdk/onnx/index.ts'
import { unreadOf } from './branches.ts'
import { keptPositions, stayingUnits } from './cut.ts'
import { copyModel } from './groups/unshare.ts'
import type { Analysis, Contraction, Kept } from './types.ts'

/**
 * The same model with the weights zero by which a contraction reads what is not kept.
 *
 * @throws HardpackError `INVALID_ARGUMENT` as `slice` does.
 * @example
 * const same = mask(analysis, kept) // its outputs are those of slice(analysis, kept)
 */
export function mask(analysis: Analysis, kept: Kept): Model {
  const stays = stayingUnits(analysis, kept)
  const unread = unreadOf(analysis, kept)
  const model = copyModel(analysis.model)
  const readers = new Map(analysis.contractions.map((contraction) => [contraction.weight, contraction]))
  const constants = new Map(model.graph.initializer.map((tensor) => [tensor.name, tensor]))
  const zeroOf = zeroPoints(model.graph.node, constants)
  model.graph.initializer = model.graph.initializer.map((tensor) => {
    const contraction = readers.get(tensor.name)
    const axis = contraction && analysis.structure.axes.get(tensor.name)?.[contraction.inputAxis]
    // What nobody needs any more might make of zeros what is no number.
    if (!contraction || !axis || unread.has(contraction.output)) return tensor
    const left = new Set(keptPositions(analysis, stays, axis))
    return left.size === axis.length ? tensor : zeroed(tensor, contraction, left, zeroOf(tensor.name))
  })
  return model
}

/** A weight that reads only what is left along its axis of inputs. */
function zeroed(
  tensor: TensorProto,
  { inputAxis }: Contraction,
  left: ReadonlySet<number>,
  zero: { axis: number; points: ArrayLike<number> },
): TensorProto {
  const { dtype, shape, data } = payloadOf(tensor)
  const copy = data.slice()
  const stride = (axis: number): number => shape.slice(axis + 1).reduce((product, dim) => product * dim, 1)
  const [inner, outer] = [stride(inputAxis), stride(zero.axis)]
  for (let i = 0; i < copy.length; i++) {
    if (left.has(Math.floor(i / inner) % shape[inputAxis])) continue
    copy[i] = zero.points.length === 1 ? zero.points[0] : zero.points[Math.floor(i / outer) % shape[zero.axis]]
  }
  return makeTensor(tensor.name, { dtype, shape, data: copy })
}

/** The integer that means zero in a quantised weight: one, or one for each position along an axis. */
function zeroPoints(
  nodes: readonly NodeProto[],
  constants: ReadonlyMap<string, TensorProto>,
): (weight: string) => { axis: number; points: ArrayLike<number> } {
  return (weight) => {
    const node = nodes.find(({ opType, input }) => opType === 'DequantizeLinear' && input[0] === weight)
    const point = node && constants.get(node.input[2] ?? '')
    if (!node || !point) return { axis: 0, points: [0] }
    const axis = intOf(node, 'axis', 1)
    const rank = constants.get(weight)?.dims.length ?? 0
    return { axis: axis < 0 ? axis + rank : axis, points: payloadOf(point).data as unknown as ArrayLike<number> }
  }
}
