/** The weight of a contraction as matrices W, one for each convolution group, so that its outputs are W u. */

import { HardpackError, type Tensor } from '../../sdk/core/index.ts'
import { type Model, makeTensor, payloadOf } from '../../sdk/onnx/index.ts'
import type { Contraction } from './types.ts'

export interface WeightLayout {
  readonly groups: number
  /** Of one convolution group: outputs; and for channels only, one for each output and tap, taps of an output together. */
  readonly rows: number
  /** Of one convolution group: one for each input and tap, taps of an input together; for channels only, one for each input. */
  readonly columns: number
  /** Rows of one output, and columns of one input. */
  readonly rowsOfOutput: number
  readonly columnsOfInput: number
  /** Where an element lies in the tensor. */
  at(group: number, row: number, column: number): number
}

/**
 * How a contraction's weight is laid out.
 *
 * @param channelsOnly whether columns are channels, and taps of the kernel make rows
 */
export function layoutOf(contraction: Contraction, shape: readonly number[], channelsOnly: boolean): WeightLayout {
  const { kind, groups, inputAxis, outputAxis, weight } = contraction
  if (kind === 'linear' && shape.length !== 2) {
    throw new HardpackError('UNSUPPORTED_MODEL', `Weight "${weight}" expected 2 axes, got the shape [${shape}].`)
  }
  const stride = (axis: number): number => shape.slice(axis + 1).reduce((product, size) => product * size, 1)
  const [ofInput, ofOutput] = [stride(inputAxis), stride(outputAxis)]
  const transposed = kind === 'conv-transpose'
  const inputs = transposed ? shape[inputAxis] / groups : shape[inputAxis]
  const outputs = transposed ? shape[outputAxis] : shape[outputAxis] / groups
  const taps = kind === 'linear' ? 1 : stride(1)
  const ofGroup = transposed ? inputs * ofInput : outputs * ofOutput
  const place = (group: number, output: number, input: number, tap: number): number =>
    group * ofGroup + output * ofOutput + input * ofInput + tap
  return channelsOnly
    ? {
        groups,
        rows: outputs * taps,
        columns: inputs,
        rowsOfOutput: taps,
        columnsOfInput: 1,
        at: (group, row, column) => place(group, Math.floor(row / taps), column, row % taps),
      }
    : {
        groups,
        rows: outputs,
        columns: inputs * taps,
        rowsOfOutput: 1,
        columnsOfInput: taps,
        at: (group, row, column) => place(group, row, Math.floor(column / taps), column % taps),
      }
}

/** The matrices of a weight, `[groups, rows, columns]`. */
export function matricesOf({ groups, rows, columns, at }: WeightLayout, data: ArrayLike<number>): Float64Array {
  const matrices = new Float64Array(groups * rows * columns)
  let to = 0
  for (let g = 0; g < groups; g++) {
    for (let i = 0; i < rows; i++) for (let j = 0; j < columns; j++) matrices[to++] = data[at(g, i, j)]
  }
  return matrices
}

/** The tensor of a weight's matrices: `matricesOf` the other way. */
export function tensorOfMatrices(
  { groups, rows, columns, at }: WeightLayout,
  matrices: Float64Array,
  shape: readonly number[],
): Tensor {
  const data = new Float32Array(matrices.length)
  let from = 0
  for (let g = 0; g < groups; g++) {
    for (let i = 0; i < rows; i++) for (let j = 0; j < columns; j++) data[at(g, i, j)] = matrices[from++]
  }
  return { dtype: 'float32', shape, data }
}

/** Tensors by the name of the initializer. */
export type Tensors = ReadonlyMap<string, Tensor>

/** The values of initializers. */
export function initializersOf(model: Model, names: Iterable<string>): Map<string, Tensor> {
  const wanted = new Set(names)
  const found = model.graph.initializer.filter(({ name }) => wanted.has(name))
  return new Map(found.map((tensor) => [tensor.name, payloadOf(tensor)]))
}

/** The same model with other values in some of its initializers; all else is shared. */
export function withInitializers(model: Model, values: Tensors): Model {
  const initializer = model.graph.initializer.map((tensor) => {
    const value = values.get(tensor.name)
    return value ? makeTensor(tensor.name, value) : tensor
  })
  return copyOf(model, { graph: copyOf(model.graph, { initializer }) })
}

/** A shallow copy of a message, with fields that the schema does not know. */
export const copyOf = <Message extends object>(message: Message, changes: Partial<Message>): Message =>
  Object.assign(Object.create(Object.getPrototypeOf(message)), message, changes)
