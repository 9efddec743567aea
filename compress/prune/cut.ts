/** A model being cut: which positions stay, and its nodes and constants by name. */

import { elementCount, HardpackError, type Tensor } from '../../sdk/core/index.ts'
import {
  attributeOf,
  type Model,
  makeNode,
  makeTensor,
  type NodeProto,
  payloadOf,
  type TensorProto,
} from '../../sdk/onnx/index.ts'
import { goneGroups, withInner } from './branches.ts'
import type { Axis } from './groups/atoms.ts'
import type { Cut } from './groups/structure.ts'
import { copyModel, integerTensor } from './groups/unshare.ts'
import type { Analysis, Kept, Observed } from './types.ts'

/**
 * Which units stay, by number.
 *
 * @throws HardpackError `INVALID_ARGUMENT` for a group that the analysis does not have, a unit that the group does not have, or
 *   a group of which nothing would stay.
 */
export function stayingUnits(analysis: Analysis, given: Kept): Uint8Array {
  const { groups } = analysis
  const gone = goneGroups(analysis, given)
  const kept = withInner(analysis, given, gone)
  const stays = new Uint8Array(groups.reduce((sum, { units }) => sum + units, 0)).fill(1)
  let [start, known] = [0, 0]
  for (const { name, units } of groups) {
    const own = kept.get(name)
    if (own) {
      const wrong = own.find((unit) => !(Number.isInteger(unit) && unit >= 0 && unit < units))
      if (wrong !== undefined || (own.length === 0 && !gone.includes(name))) {
        throw new HardpackError(
          'INVALID_ARGUMENT',
          `Group "${name}" expected one or more units from 0 to ${units - 1}, got ${wrong ?? 'none'}.`,
          { hint: 'Keep at least one unit of each group that is no residual branch.' },
        )
      }
      known++
      stays.fill(0, start, start + units)
      for (const unit of own) stays[start + unit] = 1
    }
    start += units
  }
  if (known < kept.size) {
    const names = new Set(groups.map(({ name }) => name))
    const other = [...kept.keys()].find((name) => !names.has(name))
    throw new HardpackError('INVALID_ARGUMENT', `Kept units expected a group of the model, got "${other}".`, {
      hint: 'Use the names of analysis.groups.',
    })
  }
  return stays
}

/** The positions along an axis that stay. */
export function keptPositions({ structure }: Analysis, stays: Uint8Array, axis: Int32Array): number[] {
  const positions: number[] = []
  for (const [position, atom] of axis.entries()) {
    const unit = structure.unitOf[atom]
    if (unit < 0 || stays[unit]) positions.push(position)
  }
  return positions
}

/** A text that copies of a constant have in common when they are always cut alike. */
export function likenessOf({ structure }: Analysis, name: string): string {
  const units = (axis: Axis): number[] => Array.from(axis ?? [], (atom) => structure.unitOf[atom])
  const axes = structure.axes.get(name) ?? []
  return JSON.stringify([structure.sources.get(name), axes.map((axis) => units(axis).filter((unit) => unit >= 0))])
}

/** The positions of a tensor along one axis that are given. */
export function take(tensor: Tensor, axis: number, positions: readonly number[]): Tensor {
  const { dtype, shape, data } = tensor
  const inner = elementCount(shape.slice(axis + 1))
  const outer = elementCount(shape.slice(0, axis))
  const taken = data.slice(0, outer * positions.length * inner)
  let to = 0
  for (let block = 0; block < outer; block++) {
    for (const position of positions) {
      const from = (block * shape[axis] + position) * inner
      taken.set(data.subarray(from, from + inner) as never, to)
      to += inner
    }
  }
  return { dtype, shape: shape.with(axis, positions.length), data: taken }
}

/** Edits of a copy of an analysed model. */
export class ModelCut implements Cut {
  readonly model: Model
  readonly #analysis: Analysis
  readonly #stays: Uint8Array
  readonly #nodes = new Map<string, NodeProto>()
  readonly #positions = new Map<Int32Array, number[]>()

  constructor(analysis: Analysis, stays: Uint8Array) {
    this.#analysis = analysis
    this.#stays = stays
    this.model = copyModel(analysis.model)
    for (const node of this.model.graph.node) for (const output of node.output) this.#nodes.set(output, node)
  }

  node(output: string): NodeProto {
    return this.#nodes.get(output) as NodeProto
  }

  kept(axis: Int32Array): number[] {
    const known = this.#positions.get(axis)
    if (known) return known
    const positions = keptPositions(this.#analysis, this.#stays, axis)
    this.#positions.set(axis, positions)
    return positions
  }

  changed(...axes: readonly Axis[]): boolean {
    return axes.some((axis) => axis && this.kept(axis).length < axis.length)
  }

  /** A constant without what is removed along its axes. */
  cutTensor(tensor: TensorProto): TensorProto {
    const axes = this.#analysis.structure.axes.get(tensor.name) ?? []
    if (!this.changed(...axes)) return tensor
    const cut = axes.reduce<Tensor>(
      (whole, axis, i) => (axis && this.changed(axis) ? take(whole, i, this.kept(axis)) : whole),
      payloadOf(tensor),
    )
    return makeTensor(tensor.name, cut)
  }

  setInts(node: NodeProto, attribute: string, value: number | readonly number[]): void {
    const [made] = makeNode('', [], [], { [attribute]: value }).attribute
    node.attribute = [...node.attribute.filter((other) => other !== attributeOf(node, attribute)), made]
  }

  setIntegers(node: NodeProto, input: number, values: ReadonlyMap<number, number> | readonly number[]): void {
    const { graph } = this.model
    const given = node.input[input] ?? ''
    const name = `${node.output[0]}/cut/${input}`
    const constant = graph.initializer.find((tensor) => tensor.name === given)
    const known = constant ? payloadOf(constant) : this.#analysis.observed.get(given)
    const dtype = known?.dtype === 'int32' ? 'int32' : 'int64'
    if (!(values instanceof Map)) {
      const list = values as readonly number[]
      graph.initializer.push(integerTensor(name, dtype, [list.length], list))
    } else if (constant) {
      const { shape, data } = payloadOf(constant)
      const list = Array.from(data as Int32Array, (value, i) => values.get(i) ?? Number(value))
      graph.initializer.push(integerTensor(name, dtype, shape, list))
    } else {
      // The others may depend on the number of samples, or the size of a picture.
      const { shape } = known as Observed
      const all = Array.from({ length: elementCount(shape) }, (_, i) => i)
      const which = makeTensor(`${name}/which`, {
        dtype: 'bool',
        shape,
        data: Uint8Array.from(all, (i) => (values.has(i) ? 1 : 0)),
      })
      const sizes = integerTensor(
        `${name}/sizes`,
        dtype,
        shape,
        all.map((i) => values.get(i) ?? 0),
      )
      graph.initializer.push(which, sizes)
      const where = makeNode('Where', [which.name, sizes.name, given], [name], {}, { name })
      graph.node.splice(graph.node.indexOf(node), 0, where)
    }
    while (node.input.length <= input) node.input.push('')
    node.input[input] = name
  }
}
