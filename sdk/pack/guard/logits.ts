/** Where a classifier says how sure it is of each class. */

import { LOGITS_INPUT } from '../../../detectors/tier-names.ts'
import { HardpackError, onnxOf } from '../../core/index.ts'
import { type Fragment, type GraphIndex, indexGraph, type Model } from '../../onnx/index.ts'
import type { GraphFile } from '../graphs.ts'

export interface Logits {
  /** A value of the main graph: [n, classes], or more dimensions that are flattened to that. */
  readonly value: string
}

export interface FlatLogits extends Logits {
  /** Whether it has two dimensions already. */
  readonly flat: boolean
}

/** Appends the logits as a value of the name that tiers know: float32, samples × classes. */
export function logitsNodes(fragment: Fragment, { value, flat }: FlatLogits): string {
  const row = flat ? value : fragment.node('Flatten', [value], { axis: 1 })
  return fragment.node('Cast', [row], { to: onnxOf('float32') }, LOGITS_INPUT)
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
  for (;;) {
    const node = producers.get(value)
    if (!node || captured.has(value)) break
    if (node.opType === 'Softmax') return { value: node.input[0] }
    if (!TRANSPARENT.has(node.opType)) break
    value = node.input[0]
  }
  return { value: output }
}
