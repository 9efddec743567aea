/** Where a classifier says how sure it is of each class. */

import { LOGITS_INPUT } from '../../../detectors/tier-names.ts'
import { HardpackError, onnxOf } from '../../core/index.ts'
import { type Fragment, type GraphIndex, indexGraph, intOf, type Model } from '../../onnx/index.ts'
import type { GraphFile } from '../graphs.ts'
import type { Observed } from './observe.ts'

export interface Logits {
  /** A value of the main graph: [n, classes], or more dimensions that are flattened to that. */
  readonly value: string
  /** The softmax of that value over its classes, [n, classes] as well, where the model computes it anyway. */
  readonly softmax?: string
}

/** The logits as a value: float32, samples × classes. One that is that already is taken as it is, for a node more costs time. */
export function logitsRows(fragment: Fragment, value: string, { dtype, shape }: Observed): string {
  const flat = shape.length === 2
  if (flat && dtype === 'float32') return value
  const rows = flat ? value : fragment.node('Flatten', [value], { axis: 1 })
  return fragment.node('Cast', [rows], { to: onnxOf('float32') }, LOGITS_INPUT)
}

/** Nodes that do not change what they are given. */
const TRANSPARENT: ReadonlySet<string> = new Set(['Identity', 'Dropout', 'Flatten', 'Reshape', 'Squeeze', 'Cast'])

/**
 * The logits of a model: what goes into the softmax of an output with a row of classes a sample, or that output itself.
 *
 * @param name an output, or a value of the main graph, where the model has several that fit
 * @throws HardpackError `INVALID_ARGUMENT` for a name that is none; `UNSUPPORTED_MODEL` for a model without such an output.
 */
export function findLogits(model: Model, { outputs }: GraphFile, name?: string): Logits {
  const index = indexGraph(model.graph)
  if (name !== undefined) {
    if (!index.producers.has(name)) {
      throw new HardpackError(
        'INVALID_ARGUMENT',
        `The logits expected one of the model's values, such as ${outputs.map((output) => `"${output.name}"`).join(', ')}, got "${name}".`,
      )
    }
    return beforeSoftmax(index, name)
  }
  const fit = outputs.find(({ dtype, shape }) => {
    const [, classes] = shape
    return dtype.startsWith('float') && shape.length === 2 && (typeof classes === 'string' || classes >= 2)
  })
  if (!fit) {
    throw new HardpackError(
      'UNSUPPORTED_MODEL',
      `A guard expected an output with a number for each of two classes or more, got ${outputs.map(({ name, shape }) => `"${name}" [${shape}]`).join(', ')}.`,
      { hint: 'Name a value of that kind with --logits, or leave out the detectors that need one.' },
    )
  }
  return beforeSoftmax(index, fit.name)
}

function beforeSoftmax({ producers, captured }: GraphIndex, output: string): Logits {
  let value = output
  /** The value, or a copy of it: a reader more would keep a runtime from dropping the Identity between them. */
  let copy = output
  for (;;) {
    const node = producers.get(value)
    if (!node || captured.has(value)) break
    if (node.opType === 'Softmax') {
      const overClasses = [1, -1].includes(intOf(node, 'axis', 1))
      return { value: node.input[0], softmax: overClasses ? copy : undefined }
    }
    if (!TRANSPARENT.has(node.opType)) break
    value = node.input[0]
    if (node.opType !== 'Identity') copy = value
  }
  return { value: output }
}
