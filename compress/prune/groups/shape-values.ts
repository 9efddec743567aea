/**
 * Values that are computed from shapes: for each of their elements, the axes whose lengths it depends on. A computed
 * `Reshape` may follow the length of a cut axis; a scale of attention that is computed from it may not.
 */

import { intOf, type NodeProto } from '../../../sdk/onnx/index.ts'
import { type Lengths, LITERAL, type Propagation } from './propagation.ts'
import type { Reading } from './reading.ts'

/** Inputs that are a shape, or bounds along axes, whose elements the rule of the operator looks at itself. */
const SHAPES: Readonly<Record<string, readonly number[]>> = {
  Reshape: [1],
  Expand: [1],
  Slice: [1, 2],
  Resize: [3],
  Split: [1],
}

/** A value with more elements is no list of sizes. */
const MOST_SIZES = 64

/** Whether a node computes with shapes only; then its output's lengths are known, and it needs no rule. */
export function computesShape(node: NodeProto, all: Propagation): boolean {
  const [output] = node.output
  const size = all.shapeOf(output)?.reduce((product, dim) => product * dim, 1)
  if (size === undefined) return false
  if (node.opType === 'Shape' || node.opType === 'Size') {
    const axes = all.axesOf(node.input[0])
    const one = (axis: Int32Array | null): Int32Array[] => (axis ? [axis] : [])
    const start = intOf(node, 'start', 0)
    const from = start < 0 ? start + axes.length : start
    all.lengths.set(output, node.opType === 'Size' ? [axes.flatMap(one)] : axes.slice(from, from + size).map(one))
    return true
  }
  const inputs = node.input.filter((name) => name !== '')
  const derived = inputs.filter((name) => all.lengths.has(name))
  if (derived.length === 0 || inputs.some((name) => !all.lengths.has(name) && !all.constantOf(name))) return false
  // A weight that is expanded, reshaped or sliced to computed sizes stays a weight.
  if (SHAPES[node.opType] && !all.lengths.has(node.input[0])) return false
  if (size > MOST_SIZES || node.output.length > 1 || node.attribute.some(({ g }) => g)) return false
  all.lengths.set(output, moved(node, size, all) ?? everywhere(derived, size, all))
  return true
}

function everywhere(derived: readonly string[], size: number, all: Propagation): Lengths {
  const together = [...new Set(derived.flatMap((name) => all.lengths.get(name) ?? []).flat())]
  return Array.from({ length: size }, () => together)
}

/** For operators that only move elements. */
function moved(node: NodeProto, size: number, all: Propagation): Lengths | undefined {
  const lengthsOf = (name: string): Lengths =>
    all.lengths.get(name) ??
    Array.from({ length: (all.shapeOf(name) ?? []).reduce((product, dim) => product * dim, 1) }, () => LITERAL)
  const [first] = node.input
  const data = lengthsOf(first)
  switch (node.opType) {
    case 'Cast':
    case 'Identity':
    case 'Reshape':
    case 'Squeeze':
    case 'Unsqueeze':
      return data
    case 'Concat':
      return node.input.flatMap(lengthsOf)
    case 'Gather': {
      const indices = all.integersOf(node.input[1])
      return indices?.map((index) => data[index < 0 ? index + data.length : index])
    }
    case 'Slice': {
      // Opset 9 and before have the bounds as attributes: all elements are taken together.
      const start = node.input[1] ? all.integersOf(node.input[1])?.[0] : undefined
      const step = node.input[4] ? all.integersOf(node.input[4])?.[0] : 1
      if (start === undefined || step !== 1) return undefined
      const from = start < 0 ? Math.max(0, start + data.length) : start
      return data.slice(from, from + size)
    }
    default:
      return undefined
  }
}

/** Freezes lengths that a node reads as numbers. */
export function freezeReadLengths(reading: Reading, all: Propagation): void {
  const { opType, input } = reading.node
  for (const [i, name] of input.entries()) {
    if (SHAPES[opType]?.includes(i)) continue
    all.freezeLengths(name, reading.cause('it computes with the number of channels'))
  }
}
