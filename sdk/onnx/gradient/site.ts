/**
 * Where a rule stands: one node of the forward graph, the gradients of its outputs, and the means to append nodes behind
 * it. All shapes are taken from the values themselves (`Shape` nodes), so no shape has to be known beforehand.
 */

import { type DType, HardpackError, type Tensor, toBfloat16, toFloat16 } from '../../core/index.ts'
import { floatOf, intOf, intsOf, textOf } from '../attributes.ts'
import type { AttributeValue } from '../build.ts'
import type { Fragment } from '../fragment.ts'
import { payloadOf } from '../payload.ts'
import type { NodeProto, TensorProto } from '../proto.ts'
import type { TypeOf } from './types.ts'

/** The gradients of a node's inputs, in their order; undefined for one that has none. */
export type Rule = (site: Site) => readonly (string | undefined)[]

export type Rules = Readonly<Record<string, Rule>>

/** Past the end of every axis, as `Slice` takes it. */
export const END = 2 ** 31 - 1

const SCALARS: Partial<Record<DType, (value: number) => Tensor['data']>> = {
  float32: (value) => Float32Array.of(value),
  float64: (value) => Float64Array.of(value),
  float16: (value) => Uint16Array.of(toFloat16(value)),
  bfloat16: (value) => Uint16Array.of(toBfloat16(value)),
}

export interface SiteParts {
  readonly node: NodeProto
  readonly fragment: Fragment
  /** The gradients of the node's outputs, where they have one. */
  readonly gradients: readonly (string | undefined)[]
  /** Values whose gradient is wanted: those that depend on the input of the model. */
  readonly active: ReadonlySet<string>
  readonly typeOf: TypeOf
  readonly constants: ReadonlyMap<string, TensorProto>
}

export class Site {
  readonly node: NodeProto
  readonly fragment: Fragment
  readonly gradients: readonly (string | undefined)[]
  readonly #parts: SiteParts

  constructor(parts: SiteParts) {
    this.#parts = parts
    this.node = parts.node
    this.fragment = parts.fragment
    this.gradients = parts.gradients
  }

  /** The node's first input. */
  get x(): string {
    return this.node.input[0]
  }

  /** The node's first output. */
  get y(): string {
    return this.node.output[0]
  }

  /** The gradient of the first output. */
  get g(): string {
    const gradient = this.gradients[0]
    if (gradient === undefined || this.gradients.slice(1).some((other) => other !== undefined)) {
      throw this.unsupported('only its first output to be used')
    }
    return gradient
  }

  wants(input: number): boolean {
    return this.#parts.active.has(this.node.input[input] ?? '')
  }

  has(input: number): boolean {
    return (this.node.input[input] ?? '') !== ''
  }

  /** The value of an input that is a constant of the graph. */
  constant(input: number): Tensor | undefined {
    const tensor = this.#parts.constants.get(this.node.input[input] ?? '')
    return tensor && payloadOf(tensor)
  }

  typeOf(value: string): DType {
    return this.#parts.typeOf(value) ?? 'float32'
  }

  int(name: string, absent: number): number {
    return intOf(this.node, name, absent)
  }

  float(name: string, absent: number): number {
    return floatOf(this.node, name, absent)
  }

  ints(name: string): number[] | undefined {
    return intsOf(this.node, name)
  }

  text(name: string, absent: string): string {
    return textOf(this.node, name, absent)
  }

  /** Appends a node without attributes. */
  op(opType: string, ...inputs: string[]): string {
    return this.fragment.node(opType, inputs)
  }

  /** Appends a node. */
  nodeOf(opType: string, inputs: readonly string[], attributes: Readonly<Record<string, AttributeValue>>): string {
    return this.fragment.node(opType, inputs, attributes)
  }

  /** A number of the element type of a value: unless told, of the output and its gradient. */
  scalar(value: number, like = this.y): string {
    const dtype = this.typeOf(like)
    const data = SCALARS[dtype]?.(value)
    if (!data) throw this.unsupported(`floating point numbers, got ${dtype}`)
    return this.fragment.constant({ dtype, shape: [], data })
  }

  /** An int64 without dimensions. */
  integer(value: number): string {
    return this.fragment.constant({ dtype: 'int64', shape: [], data: BigInt64Array.of(BigInt(value)) })
  }

  /** The gradient where a condition holds, elsewhere 0. */
  gate(condition: string, gradient: string): string {
    return this.op('Where', condition, gradient, this.scalar(0))
  }

  /** Zeros like a value, also where that is infinite. */
  zerosLike(value: string): string {
    return this.op('Expand', this.scalar(0), this.op('Shape', value))
  }

  /** A gradient in the shape of a value that has as many elements. */
  reshapeLike(gradient: string, value: string): string {
    return this.op('Reshape', gradient, this.op('Shape', value))
  }

  /** Numbers of elements `[start, end)` of the shape of a value, as an int64 vector. */
  dims(value: string, start: number, end = END): string {
    return this.fragment.slice(this.op('Shape', value), 0, start, end)
  }

  /** How many elements of `whole` come to one of `part`, as a number of the gradient's type. */
  ratio(whole: string, part: string): string {
    return this.fragment.cast(this.op('Div', this.op('Size', whole), this.op('Size', part)), this.typeOf(this.y))
  }

  /** Sums a gradient over the axes along which `value` was broadcast. */
  unbroadcast(gradient: string, value: string): string {
    const shape = this.op('Shape', value)
    const wide = this.op('Shape', gradient)
    const missing = this.op('Sub', this.op('Shape', wide), this.op('Shape', shape))
    const one = this.fragment.integers([1])
    const aligned = this.nodeOf('Concat', [this.op('Expand', one, missing), shape], { axis: 0 })
    const stretched = this.op('Not', this.op('Equal', aligned, wide))
    const axes = this.fragment.reshape(this.op('NonZero', stretched), [-1])
    const sum = this.nodeOf('ReduceSum', [gradient, axes], { keepdims: 1, noop_with_empty_axes: 1 })
    return this.op('Reshape', sum, shape)
  }

  /** The name of an output of the forward node, which is asked for it now if it was not before. */
  output(index: number): string {
    const output = [...this.node.output]
    while (output.length <= index) output.push('')
    if (output[index] === '') output[index] = `${this.y}/output_${index}`
    this.node.output = output
    return output[index]
  }

  /** The refusal of a node that a rule cannot serve. */
  unsupported(expected: string): HardpackError {
    const { opType, output } = this.node
    return noRule(`The gradient of ${opType} (which makes "${output[0]}") expected ${expected}.`)
  }
}

/** What every refusal of this folder says at its end. */
export function noRule(message: string): HardpackError {
  return new HardpackError('UNSUPPORTED_MODEL', message, {
    hint: 'Give a gradient graph of your own, or use an attack without gradients (square, spsa, boundary).',
  })
}
