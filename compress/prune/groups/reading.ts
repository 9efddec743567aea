/** A node as a rule sees it: its values, axes and attributes, and what may be said of them. */

import { attributeOf, floatOf, intOf, intsOf, type NodeProto, textOf } from '../../../sdk/onnx/index.ts'
import type { Contraction } from '../types.ts'
import type { Axis, Cause } from './atoms.ts'
import { LITERAL, type Propagation, type Work } from './propagation.ts'
import type { Edit } from './structure.ts'

/** Says how the axes of a node's outputs follow from those of its inputs; or, in a few words, why it cannot. */
export type Rule = (node: Reading) => string | undefined

const COMPUTED = 'a size is computed from the number of channels'

/** Whether a layer's product and bias are added as they are, which those of a Gemm may not be. */
export const isPlain = (node: NodeProto): boolean =>
  node.opType !== 'Gemm' || (floatOf(node, 'alpha', 1) === 1 && floatOf(node, 'beta', 1) === 1)

export class Reading {
  readonly node: NodeProto
  readonly #all: Propagation

  constructor(node: NodeProto, all: Propagation) {
    this.node = node
    this.#all = all
  }

  /** The version of ai.onnx. */
  get opset(): number {
    return this.#all.opset
  }

  has(input: number): boolean {
    return Boolean(this.node.input[input])
  }

  /** Known of each input that there is. */
  shape(input: number): readonly number[] {
    return this.#all.shapeOf(this.node.input[input]) as readonly number[]
  }

  axes(input: number): readonly Axis[] {
    return this.#all.axesOf(this.node.input[input])
  }

  outputShape(output = 0): readonly number[] {
    return this.#all.shapeOf(this.node.output[output]) ?? []
  }

  int(attribute: string, absent: number): number {
    return intOf(this.node, attribute, absent)
  }

  ints(attribute: string): number[] | undefined {
    return intsOf(this.node, attribute)
  }

  text(attribute: string, absent: string): string {
    return textOf(this.node, attribute, absent)
  }

  hasAttribute(attribute: string): boolean {
    return attributeOf(this.node, attribute) !== undefined
  }

  /** An axis by number, also from the end. */
  axisOf(attribute: number, rank = this.shape(0).length): number {
    return attribute < 0 ? attribute + rank : attribute
  }

  /** The integers of an input. */
  integers(input: number): readonly number[] | undefined {
    return this.has(input) ? this.#all.integersOf(this.node.input[input]) : undefined
  }

  isConstant(input: number): boolean {
    return this.#all.constantOf(this.node.input[input]) !== undefined
  }

  /** For elements of an input that cannot follow the lengths of channels that they are computed from. */
  freezeLengths(input: number, element?: number): void {
    const all = this.#all.lengths.get(this.node.input[input]) ?? []
    for (const length of element === undefined ? all.flat() : (all[element] ?? [])) this.freeze(length, COMPUTED)
  }

  /** The lengths of axes that an element of an input depends on. */
  lengths(input: number, element: number): readonly Int32Array[] {
    return this.#all.lengths.get(this.node.input[input])?.[element] ?? []
  }

  cause(reason: string): Cause {
    const { opType, name, output } = this.node
    return { op: opType, node: name || output[0], reason }
  }

  unite(a: Axis, b: Axis, reason = 'it meets channels that must stay'): Axis {
    return this.#all.unite(a, b, this.cause(reason))
  }

  freeze(axis: Axis, reason: string): void {
    this.#all.freeze(axis, this.cause(reason))
  }

  split(flat: Axis, dims: readonly number[]): Axis[] {
    return this.#all.products.split(flat, dims, this.cause('channels that are split in two ways'))
  }

  merge(factors: readonly Axis[], dims: readonly number[]): Axis {
    return this.#all.products.merge(factors, dims, this.cause('channels that are split in two ways'))
  }

  give(axes: readonly Axis[], output = 0): undefined {
    if (this.node.output[output]) this.#all.give(this.node.output[output], axes, this.cause('its shape is another one'))
  }

  fresh(count: number): Int32Array {
    return this.#all.atoms.fresh(count)
  }

  /** The initializer behind an input, where that is a weight. */
  weight(input: number): string | undefined {
    return this.has(input) ? this.#all.weightOf(this.node.input[input]) : undefined
  }

  contraction(
    parts: Omit<Contraction, 'output' | 'op' | 'inputs' | 'outputs' | 'bias'> & {
      inputs: Axis
      outputs: Axis
      counts: readonly [number, number]
    },
  ): void {
    const { inputs, outputs, counts, ...rest } = parts
    const [output] = this.node.output
    const bias = this.#bias(output, counts[1], rest.kind === 'linear' ? -1 : 1)
    const contraction = { output, op: this.node.opType, ...rest, inputs: counts[0], outputs: counts[1] }
    this.#all.sites.push({ contraction: bias === undefined ? contraction : { ...contraction, bias }, inputs, outputs })
  }

  /** The constant that is added to each output channel, here or by the one reader. */
  #bias(output: string, outputs: number, channelAxis: number): string | undefined {
    if (this.has(2)) return this.#ownBias(outputs)
    if (!isPlain(this.node)) return undefined
    const [reader, other] = this.#all.readers.get(output) ?? []
    if (reader?.opType !== 'Add' || other || this.#all.outputs.has(output)) return undefined
    const bias = this.#all.constantOf(reader.input.find((name) => name !== output) ?? '')
    const rank = this.outputShape().length
    const axis = channelAxis < 0 ? channelAxis + rank : channelAxis
    const dims = bias?.dims.map(Number) ?? []
    const along = dims[axis - rank + dims.length]
    return along === outputs && dims.reduce((product, dim) => product * dim, 1) === outputs ? bias?.name : undefined
  }

  /** The third input, where it is a constant that is added as it is. */
  #ownBias(outputs: number): string | undefined {
    const [, , bias] = this.node.input
    const dims = this.#all.constantOf(bias)?.dims.map(Number)
    return dims?.reduce((product, dim) => product * dim, 1) === outputs && isPlain(this.node) ? bias : undefined
  }

  work(sizes: Work['sizes']): void {
    this.#all.work.push({ output: this.node.output[0], sizes })
  }

  /** The sizes of axes, which may shrink. */
  sizes(axes: readonly Axis[], shape: readonly number[]): Work['sizes'] {
    return shape.map((size, i) => axes[i] ?? size)
  }

  /** Whether something may be removed along an axis, as far as is known. */
  isLive(axis: Axis): boolean {
    return axis?.some((atom) => !this.#all.atoms.causeOf(atom)) ?? false
  }

  /** Whether a number of channels is all that the length of an axis depends on. */
  isSized(axis: Int32Array): boolean {
    return !this.#all.unsized.has(axis)
  }

  leaveUnsized(axis: Int32Array): void {
    this.#all.unsized.add(axis)
  }

  /** Whether an element of an input is a constant, as it is or joined with computed ones. */
  isLiteral(input: number, element: number): boolean {
    return this.isConstant(input) || this.#all.lengths.get(this.node.input[input])?.[element] === LITERAL
  }

  /** What can only be said when all nodes are read and all products settled. */
  afterwards(check: () => void): void {
    this.#all.checks.push(check)
  }

  edit(edit: Edit): void {
    this.#all.edits.push(edit)
  }
}
