/** Feature squeezing as a tier: all squeezed copies go through the protected model as one batch. See `score.ts`. */

import type { Fragment, Model } from '../../sdk/onnx/index.ts'
import {
  type ClassOutput,
  imageShape,
  type Layout,
  LOGITS_INPUT,
  logProbabilityNodes,
  maximumNodes,
  minimumNodes,
  startTier,
} from '../tier.ts'
import { checkSqueezers, type Squeezers } from './squeezers.ts'

export interface FeatureSqueezingOptions extends Partial<Squeezers> {
  /** `nchw` unless told. */
  readonly layout?: Layout
  /** The class output of the protected model. */
  readonly output?: ClassOutput
}

/**
 * The tier: inputs are the protected model's and `hardpack.logits` [n, classes], its output is `score` [n].
 *
 * @throws HardpackError `UNSUPPORTED_MODEL` for an input that is not one float32 image of a fixed size;
 *   `INVALID_ARGUMENT` for squeezers that do not exist.
 * @example
 * const tier = featureSqueezingGraph(readModel(bytes), { bits: [5], median: [2], range: { min: -1, max: 1 } })
 */
export function featureSqueezingGraph(model: Model, options: FeatureSqueezingOptions = {}): Model {
  const { layout = 'nchw', output } = options
  const { bits, median, range } = checkSqueezers(options)
  const tier = startTier('Feature squeezing', model, output)
  const { fragment, classes, input } = tier
  const { height, width } = imageShape('Feature squeezing', tier, layout)
  const [rows, columns] = layout === 'nchw' ? [2, 3] : [1, 2]
  const copies = [
    ...bits.map((bit) => reduceBitsNodes(fragment, input, bit, range)),
    ...median.map((side) => medianNodes(fragment, input, side, { rows, columns, height, width })),
  ]
  const batch = copies.length === 1 ? copies[0] : fragment.node('Concat', copies, { axis: 0 })
  const [outputs] = tier.embed(model, 'squeezed', { [input]: batch }, [classes.name])
  const probabilities = (value: string): string =>
    fragment.node('Exp', [logProbabilityNodes(fragment, value, classes.kind)])
  const squeezed = fragment.reshape(probabilities(outputs), [copies.length, -1, classes.count])
  const plain = fragment.unsqueeze(probabilities(LOGITS_INPUT), [0])
  const distances = fragment.reduce('ReduceSum', fragment.node('Abs', [fragment.node('Sub', [squeezed, plain])]), [2])
  return tier.finish(fragment.reduce('ReduceMax', distances, [0]))
}

function reduceBitsNodes(fragment: Fragment, image: string, bits: number, { min, max }: Squeezers['range']): string {
  const steps = 2 ** bits - 1
  const shifted = fragment.node('Sub', [image, fragment.scalar(min)])
  const scaled = fragment.node('Mul', [shifted, fragment.scalar(steps / (max - min))])
  // Round came with opset 11, and rounds halves to even.
  const level = fragment.node('Floor', [fragment.node('Add', [scaled, fragment.scalar(0.5)])])
  return fragment.node('Add', [
    fragment.node('Mul', [level, fragment.scalar((max - min) / steps)]),
    fragment.scalar(min),
  ])
}

interface Axes {
  readonly rows: number
  readonly columns: number
  readonly height: number
  readonly width: number
}

/** The image and its copies shifted along one axis, by one up to `side − 1` pixels; the nearest pixel fills the edge. */
function shifts(fragment: Fragment, image: string, axis: number, size: number, side: number): string[] {
  const before = fragment.slice(image, axis, 0, 1)
  const padded = [before, image, ...(side === 3 ? [fragment.slice(image, axis, size - 1, size)] : [])]
  const whole = fragment.node('Concat', padded, { axis })
  return Array.from({ length: side }, (_, from) => fragment.slice(whole, axis, from, from + size))
}

function medianNodes(fragment: Fragment, image: string, side: number, { rows, columns, height, width }: Axes): string {
  const fold = (nodes: typeof minimumNodes, values: string[]): string => values.reduce((a, b) => nodes(fragment, a, b))
  const min = (...values: string[]): string => fold(minimumNodes, values)
  const max = (...values: string[]): string => fold(maximumNodes, values)
  const middle = (a: string, b: string, c: string): string => max(min(a, b), min(max(a, b), c))
  const along = (value: string): string[] => shifts(fragment, value, columns, width, side)
  const column = shifts(fragment, image, rows, height, side)
  if (side === 2) {
    // Of two sorted pairs, the middle two of four.
    const [low, otherLow] = along(min(column[0], column[1]))
    const [high, otherHigh] = along(max(column[0], column[1]))
    const sum = fragment.node('Add', [max(low, otherLow), min(high, otherHigh)])
    return fragment.node('Mul', [sum, fragment.scalar(0.5)])
  }
  // Sort the columns; then the median of nine is the median of the largest low, the middle middle, the smallest high.
  const [a, b, c] = column
  const [low, mid, high] = [min(a, b, c), middle(a, b, c), max(a, b, c)].map(along)
  return middle(max(...low), middle(mid[0], mid[1], mid[2]), min(...high))
}
