/**
 * A fragment: nodes and constants that are to be appended to a graph. It hides what changed between opsets (axes as
 * attribute or as input, bounds of `Clip`), so that a detector's head fits a model of any opset from 9 on, and it names every
 * value under a prefix, so that two fragments never collide.
 */

import { type DType, HardpackError, onnxOf, type Tensor } from '../core/index.ts'
import { type AttributeValue, float, makeNode, makeTensor } from './build.ts'
import type { GraphProto, NodeProto, TensorProto } from './proto.ts'

export type Reduction = 'ReduceMax' | 'ReduceMean' | 'ReduceMin' | 'ReduceSum' | 'ReduceSumSquare'

export interface FragmentOptions {
  /** The version of ai.onnx of the model that the fragment is for; 9 or later. */
  readonly opset: number
  /** What the names of all values begin with; different for each fragment of a graph. */
  readonly prefix: string
}

const OLDEST_OPSET = 9

/** The opset from which on an operator takes its axes as an input. */
const AXES_AS_INPUT = {
  ReduceSum: 13,
  Squeeze: 13,
  Unsqueeze: 13,
  ReduceMax: 18,
  ReduceMean: 18,
  ReduceMin: 18,
  ReduceSumSquare: 18,
}

export class Fragment {
  readonly opset: number
  readonly nodes: NodeProto[] = []
  readonly initializers: TensorProto[] = []
  readonly #prefix: string
  #next = 0

  /** @throws HardpackError `UNSUPPORTED_MODEL` for an opset before 9. */
  constructor({ opset, prefix }: FragmentOptions) {
    if (!(opset >= OLDEST_OPSET)) {
      throw new HardpackError('UNSUPPORTED_MODEL', `A guard expected a model of opset 9 or later, got ${opset}.`, {
        hint: 'Export the model again with a newer opset.',
      })
    }
    this.opset = opset
    this.#prefix = prefix
  }

  /**
   * Appends a node.
   *
   * @param output the name of its output, where it has to be a certain one
   * @returns the name of its first output
   * @example
   * const squared = fragment.node('Mul', [z, z])
   */
  node(
    opType: string,
    inputs: readonly string[],
    attributes: Readonly<Record<string, AttributeValue>> = {},
    output = this.#name(opType),
  ): string {
    this.nodes.push(makeNode(opType, inputs, [output], attributes))
    return output
  }

  /** Appends a node with several outputs; gives their names. */
  outputs(
    opType: string,
    inputs: readonly string[],
    attributes: Readonly<Record<string, AttributeValue>>,
    outputs: number,
  ): string[] {
    const names = Array.from({ length: outputs }, () => this.#name(opType))
    this.nodes.push(makeNode(opType, inputs, names, attributes))
    return names
  }

  /** A constant tensor; gives its name. */
  constant(tensor: Tensor): string {
    const name = this.#name('constant')
    this.initializers.push(makeTensor(name, tensor))
    return name
  }

  /** A constant of float32; without a shape, a vector. */
  floats(values: ArrayLike<number>, shape: readonly number[] = [values.length]): string {
    return this.constant({ dtype: 'float32', shape, data: Float32Array.from(values) })
  }

  /** A constant of float32 without dimensions. */
  scalar(value: number): string {
    return this.floats([value], [])
  }

  /** A constant vector of int64, as shapes, axes and indices are. */
  integers(values: readonly number[]): string {
    return this.constant({ dtype: 'int64', shape: [values.length], data: BigInt64Array.from(values, BigInt) })
  }

  /** Reduces axes away, or to 1 with `keep`. */
  reduce(opType: Reduction, value: string, axes: readonly number[], keep = false): string {
    return this.#withAxes(opType, value, axes, { keepdims: keep ? 1 : 0 })
  }

  unsqueeze(value: string, axes: readonly number[]): string {
    return this.#withAxes('Unsqueeze', value, axes)
  }

  squeeze(value: string, axes: readonly number[]): string {
    return this.#withAxes('Squeeze', value, axes)
  }

  /** `value[..., start:end:step, ...]` along one axis. */
  slice(value: string, axis: number, start: number, end: number, step = 1): string {
    if (this.opset < 10) {
      if (step !== 1) {
        throw new HardpackError(
          'UNSUPPORTED_MODEL',
          `A slice with steps expected opset 10 or later, got ${this.opset}.`,
        )
      }
      return this.node('Slice', [value], { axes: [axis], starts: [start], ends: [end] })
    }
    return this.node('Slice', [value, ...[[start], [end], [axis], [step]].map((list) => this.integers(list))])
  }

  /** Elements limited to `[min, max]`. */
  clip(value: string, min: number, max: number): string {
    if (this.opset < 11) return this.node('Clip', [value], { min: float(min), max: float(max) })
    return this.node('Clip', [value, this.scalar(min), this.scalar(max)])
  }

  cast(value: string, dtype: DType): string {
    return this.node('Cast', [value], { to: onnxOf(dtype) })
  }

  reshape(value: string, shape: readonly number[]): string {
    return this.node('Reshape', [value, this.integers(shape)])
  }

  /** Puts everything into a graph, behind what it has. */
  appendTo(graph: GraphProto): void {
    graph.node.push(...this.nodes)
    graph.initializer.push(...this.initializers)
  }

  #withAxes(
    opType: keyof typeof AXES_AS_INPUT,
    value: string,
    axes: readonly number[],
    attributes: Readonly<Record<string, AttributeValue>> = {},
  ): string {
    if (this.opset < AXES_AS_INPUT[opType]) return this.node(opType, [value], { ...attributes, axes: [...axes] })
    return this.node(opType, [value, this.integers(axes)], attributes)
  }

  #name(what: string): string {
    return `${this.#prefix}/${what}_${this.#next++}`
  }
}

/** The version of ai.onnx that a model imports. */
export function opsetOf(model: {
  readonly opsetImport: readonly { domain: string; version: number | bigint }[]
}): number {
  const version = model.opsetImport.find(({ domain }) => domain === '' || domain === 'ai.onnx')?.version
  return Number(version ?? 1)
}
