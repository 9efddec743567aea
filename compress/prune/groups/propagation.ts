/**
 * What is known while the nodes of a graph are read in order: the atoms along the axes of each value, and which lengths
 * of axes a computed shape depends on.
 */

import { type DType, dtypeOf } from '../../../sdk/core/index.ts'
import type { Model, NodeProto, TensorProto } from '../../../sdk/onnx/index.ts'
import { opsetOf, payloadOf } from '../../../sdk/onnx/index.ts'
import type { Contraction, Observed } from '../types.ts'
import { Atoms, type Axis, type Cause } from './atoms.ts'
import { Products } from './products.ts'
import type { Edit } from './structure.ts'
import { namesInBodies } from './unshare.ts'

/** Types of shapes, axes, indices and masks, which are no weights; and of those whose elements share a byte. */
const NO_WEIGHTS = new Set<DType | undefined>(['int64', 'bool', 'int4', 'uint4', undefined])

/** A contraction, and the atoms that it reads and makes. */
export interface Site {
  readonly contraction: Contraction
  readonly inputs: Axis
  readonly outputs: Axis
}

/** Multiply-accumulates of a node: a product of sizes, of which those along an axis may shrink. */
export interface Work {
  readonly output: string
  readonly sizes: readonly (number | Int32Array)[]
}

/** Of each element of a value that is computed from shapes: the axes whose lengths it depends on. */
export type Lengths = readonly (readonly Int32Array[])[]

/** Of an element that is a constant among computed ones. */
export const LITERAL: readonly Int32Array[] = []

export class Propagation {
  /** The version of ai.onnx. */
  readonly opset: number
  /** What the graph gives. */
  readonly outputs: ReadonlySet<string>
  readonly atoms = new Atoms()
  readonly products = new Products(this.atoms)
  readonly sites: Site[] = []
  readonly work: Work[] = []
  readonly edits: Edit[] = []
  /** What can only be said when all products are settled; it may freeze. */
  readonly checks: (() => void)[] = []
  readonly producers = new Map<string, NodeProto>()
  readonly readers = new Map<string, NodeProto[]>()
  /** Axes whose length depends on that of a batch or a picture, too. */
  readonly unsized = new Set<Int32Array>()
  readonly lengths = new Map<string, Lengths>()
  readonly #constants: ReadonlyMap<string, TensorProto>
  readonly #observed: ReadonlyMap<string, Observed>
  readonly #axes = new Map<string, Axis[]>()

  constructor(model: Model, observed: ReadonlyMap<string, Observed>) {
    this.opset = opsetOf(model)
    this.outputs = new Set(model.graph.output.map(({ name }) => name))
    this.#observed = observed
    this.#constants = new Map(model.graph.initializer.map((tensor) => [tensor.name, tensor]))
    for (const node of model.graph.node) {
      for (const name of node.output) this.producers.set(name, node)
      for (const name of [...node.input, ...namesInBodies(node)]) {
        const readers = this.readers.get(name)
        if (readers) readers.push(node)
        else this.readers.set(name, [node])
      }
    }
  }

  constantOf(name: string): TensorProto | undefined {
    return this.#constants.get(name)
  }

  shapeOf(name: string): readonly number[] | undefined {
    return this.#constants.get(name)?.dims.map(Number) ?? this.#observed.get(name)?.shape
  }

  /** The elements of a small tensor of integers, given or observed. */
  integersOf(name: string): readonly number[] | undefined {
    const constant = this.#constants.get(name)
    return constant ? Array.from(payloadOf(constant).data, Number) : this.#observed.get(name)?.integers
  }

  /** The axes of a value: of a weight new ones, each with atoms of its own. */
  axesOf(name: string): readonly Axis[] {
    const known = this.#axes.get(name)
    if (known) return known
    const constant = this.#constants.get(name)
    const shape = this.shapeOf(name) ?? []
    const weight = constant && !NO_WEIGHTS.has(dtypeOf(constant.dataType))
    const axes = shape.map((size) => (weight && size > 1 ? this.atoms.fresh(size) : null))
    this.#axes.set(name, axes)
    return axes
  }

  /** Every value whose axes are known. */
  get axes(): ReadonlyMap<string, readonly Axis[]> {
    return this.#axes
  }

  /** Says what lies along the axes of a value. What does not fit its shape stays whole. */
  give(name: string, axes: readonly Axis[], cause: Cause): void {
    const shape = this.shapeOf(name)
    const fits = shape?.length === axes.length && axes.every((axis, i) => !axis || axis.length === shape[i])
    if (!fits) for (const axis of axes) this.freeze(axis, cause)
    this.#axes.set(name, fits ? [...axes] : axes.map(() => null))
  }

  /** Makes two axes one: what is removed along one is removed along the other. */
  unite(a: Axis, b: Axis, cause: Cause): Axis {
    if (!a || !b || a.length !== b.length) {
      this.freeze(a, cause)
      this.freeze(b, cause)
      return null
    }
    if (a !== b) for (const [i, atom] of a.entries()) this.atoms.unite(atom, b[i])
    return a
  }

  freeze(axis: Axis, cause: Cause): void {
    for (const atom of axis ?? []) this.atoms.freeze(atom, cause)
  }

  freezeValue(name: string, cause: Cause): void {
    for (const axis of this.axesOf(name)) this.freeze(axis, cause)
    this.freezeLengths(name, cause)
  }

  /** For readers of a computed shape that mean the number itself. */
  freezeLengths(name: string, cause: Cause): void {
    for (const axes of this.lengths.get(name) ?? []) for (const axis of axes) this.freeze(axis, cause)
  }

  /** The initializer whose values, cast or dequantised, a value holds. */
  weightOf(name: string): string | undefined {
    if (this.#constants.has(name)) return name
    const node = this.producers.get(name)
    return node && (node.opType === 'DequantizeLinear' || node.opType === 'Cast')
      ? this.weightOf(node.input[0])
      : undefined
  }
}
