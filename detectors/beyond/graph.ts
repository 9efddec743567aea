/** BEYOND as a tier: all neighbours of all samples as one batch, through the encoder and the protected model. See `score.ts`. */

import { HardpackError } from '../../sdk/core/index.ts'
import { type Fragment, type Model, makeValue } from '../../sdk/onnx/index.ts'
import {
  type Classes,
  type ClassOutput,
  classesOf,
  imageShape,
  jeffreysNodes,
  type Layout,
  LOGITS_INPUT,
  logProbabilityNodes,
  minimumNodes,
  type Normalisation,
  normaliseNodes,
  oneHotNodes,
  onlyInput,
  startTier,
  type Tier,
} from '../tier.ts'
import { type Augmentations, lumaOf, type Sampling } from './augmentations.ts'
import { type BeyondRule, checkRule, LEAST_NORM } from './score.ts'

export interface BeyondEncoder {
  /** A model for the same input shape, trained without the protected model's labels where there is one. */
  readonly model: Model
  /** Its output, or an inner value, with the representation, float32 [n, d]. */
  readonly representation: string
  /** Its class head for the protected model's classes, where it has one. */
  readonly output?: ClassOutput
  /** Where it wants the protected model's input normalised further. */
  readonly normalisation?: Normalisation
}

export interface BeyondOptions {
  readonly augmentations: Augmentations
  /** Without an encoder the protected model's own features serve, which is weaker. */
  readonly encoder?: BeyondEncoder
  /** Without an encoder: the protected model's value that represents, float32 [n, d]; its class output unless told. */
  readonly representation?: string
  /** `divergence` unless told. */
  readonly rule?: BeyondRule
  /** What black and white are in the protected model's input; 0 and 1 unless told. */
  readonly range?: { readonly min: number; readonly max: number }
  /** `nchw` unless told. */
  readonly layout?: Layout
  /** The class output of the protected model. */
  readonly output?: ClassOutput
}

const BEYOND = 'BEYOND'
/** Of float32. */
const LARGEST = 3.4028234663852886e38

/**
 * The tier: inputs are the protected model's and `hardpack.logits` [n, classes], its output is `score` [n].
 *
 * @throws HardpackError `UNSUPPORTED_MODEL` for an input that is not one float32 image of the size of the augmentations,
 *   and an encoder for another input, other classes or another opset; `INVALID_ARGUMENT` for a rule out of range.
 * @example
 * const augmentations = drawAugmentations({ height: 28, width: 28, channels: 1, seed: 7 })
 * const encoder = { model: readModel(ssl), representation: 'representation', output: { name: 'logits' } }
 * const tier = beyondGraph(readModel(bytes), { augmentations, encoder })
 */
export function beyondGraph(model: Model, options: BeyondOptions): Model {
  const k = options.augmentations.neighbours.length
  const rule = checkRule(options.rule ?? { rule: 'divergence' }, k)
  const tier = startTier(BEYOND, model, options.output)
  const { fragment, classes } = tier
  const passes = passNodes(tier, model, options, rule.rule === 'counts' || rule.rule === 'fused')
  const times = (value: string, factor: number): string => fragment.node('Mul', [value, fragment.scalar(factor)])
  if (rule.rule === 'divergence' || rule.rule === 'disagreement') {
    const byNeighbour = (value: string): string => fragment.reshape(value, [-1, k, classes.count])
    const logQ = byNeighbour(logProbabilityNodes(fragment, passes.outputs, passes.classes.kind))
    const logP = fragment.unsqueeze(logProbabilityNodes(fragment, LOGITS_INPUT, classes.kind), [1])
    const mean = fragment.reduce('ReduceMean', jeffreysNodes(fragment, logP, logQ, 2), [1])
    if (rule.rule === 'divergence') return tier.finish(times(mean, 1 / Math.LN2))
    const label = fragment.unsqueeze(oneHotNodes(fragment, LOGITS_INPUT, classes.count), [1])
    const ofLabel = fragment.reduce('ReduceSum', fragment.node('Mul', [label, logQ]), [2])
    const surprise = fragment.reduce('ReduceMean', ofLabel, [1])
    return tier.finish(times(fragment.node('Sub', [mean, surprise]), 1 / Math.LN2))
  }
  const cosine = cosineNodes(fragment, passes, k)
  if (rule.rule === 'counts') {
    const kept = fragment.reduce('ReduceSum', agreementNodes(tier, passes, k), [1])
    // NaN is not similar, so that it scores as the strangest.
    const above = fragment.cast(fragment.node('Greater', [cosine, fragment.scalar(rule.similarity)]), 'float32')
    const similar = fragment.reduce('ReduceSum', above, [1])
    return tier.finish(times(minimumNodes(fragment, kept, similar), -1 / k))
  }
  const label = fragment.unsqueeze(oneHotNodes(fragment, LOGITS_INPUT, classes.count), [1])
  const logits = fragment.reshape(passes.outputs, [-1, k, classes.count])
  const ofLabel = fragment.reduce('ReduceSum', fragment.node('Mul', [label, logits]), [2])
  const toLabel = fragment.node('Div', [ofLabel, normNodes(fragment, logits)])
  const fused = fragment.node('Add', [times(toLabel, rule.alpha), times(cosine, 1 - rule.alpha)])
  return tier.finish(fragment.node('Neg', [orderStatisticNodes(fragment, fused, rule.order)]))
}

/**
 * The cosines of neighbours' representations, for `fitBeyondCounts`: the protected model's inputs and `hardpack.logits`
 * (which it does not need), and the output `similarity`, float32 [n, k].
 *
 * @throws HardpackError what `beyondGraph` throws
 */
export function beyondSimilarityGraph(model: Model, options: Omit<BeyondOptions, 'rule'>): Model {
  const k = options.augmentations.neighbours.length
  const tier = startTier(BEYOND, model, options.output)
  const cosine = cosineNodes(tier.fragment, passNodes(tier, model, options, true), k)
  return tier.finish(cosine, makeValue('similarity', 'float32', ['n', k]))
}

interface Passes {
  /** Class outputs on the neighbours, [n · k, classes]. */
  readonly outputs: string
  readonly classes: Classes
  /** Representations of each sample and then its neighbours, [n · (k + 1), d]; none where nobody asks. */
  readonly representations: string | undefined
}

/** Runs encoder and protected model on the neighbours. */
function passNodes(tier: Tier, model: Model, options: BeyondOptions, represent: boolean): Passes {
  const { encoder, layout = 'nchw', augmentations } = options
  const { fragment, input, classes } = tier
  const size = imageShape(BEYOND, tier, layout)
  const { height, width, channels } = augmentations
  if (size.height !== height || size.width !== width || size.channels !== channels) {
    throw new HardpackError(
      'INVALID_ARGUMENT',
      `BEYOND expected augmentations for ${size.channels} × ${size.height} × ${size.width}, got ${channels} × ${height} × ${width}.`,
      { hint: 'Draw them for the size of the model.' },
    )
  }
  const k = augmentations.neighbours.length
  /** Without the samples themselves, of which the label needs none. */
  const onlyNeighbours = (value: string): string =>
    represent
      ? fragment.reshape(fragment.slice(fragment.reshape(value, [-1, k + 1, classes.count]), 1, 1, k + 1), [
          -1,
          classes.count,
        ])
      : value
  const batch = neighbourNodes(fragment, input, options, represent)
  if (!encoder) {
    const representation = options.representation ?? classes.name
    const wanted = represent ? [classes.name, representation] : [classes.name]
    const [outputs, representations] = tier.embed(model, 'neighbours', { [input]: batch }, wanted)
    return { outputs: onlyNeighbours(outputs), classes, representations }
  }
  const encoderInput = onlyInput('The encoder of BEYOND', encoder.model)
  const head = encoder.output && classesOf('The encoder of BEYOND', encoder.model, encoder.output)
  const fits = encoderInput.shape.every(
    (side, axis) => axis === 0 || typeof side === 'string' || side === tier.shape[axis],
  )
  if (encoderInput.shape.length !== 4 || !fits || (head && head.count !== classes.count)) {
    throw new HardpackError(
      'UNSUPPORTED_MODEL',
      `The encoder of BEYOND expected input [${tier.shape}] and ${classes.count} classes, got [${encoderInput.shape}] and ${head?.count ?? 'none'}.`,
      { hint: 'Take an encoder for the same images.' },
    )
  }
  const image = normaliseNodes(fragment, batch, encoder.normalisation, 4, layout)
  const wanted = [...(head ? [head.name] : []), ...(represent ? [encoder.representation] : [])]
  const values = wanted.length > 0 ? tier.embed(encoder.model, 'encoder', { [encoderInput.name]: image }, wanted) : []
  const representations = represent ? values[values.length - 1] : undefined
  if (head) return { outputs: onlyNeighbours(values[0]), classes: head, representations }
  const [outputs] = tier.embed(model, 'neighbours', { [input]: batch }, [classes.name])
  return { outputs: onlyNeighbours(outputs), classes, representations }
}

/** [k, size, size]: each row has the weights of the input pixels for one output pixel, a hat of width one around it. */
function samplingNodes(fragment: Fragment, samplings: readonly Sampling[], size: number, transposed: boolean): string {
  const k = samplings.length
  const [along, across] = transposed
    ? [
        [1, 1, size],
        [1, size, 1],
      ]
    : [
        [1, size, 1],
        [1, 1, size],
      ]
  const numbers = Array.from({ length: size }, (_, i) => i)
  const column = (values: number[]): string => fragment.floats(values, [k, 1, 1])
  const steps = fragment.node('Mul', [column(samplings.map(({ step }) => step)), fragment.floats(numbers, along)])
  const places = fragment.node('Add', [column(samplings.map(({ start }) => start)), steps])
  const inside = fragment.clip(places, 0, size - 1)
  const distance = fragment.node('Abs', [fragment.node('Sub', [inside, fragment.floats(numbers, across)])])
  return fragment.node('Relu', [fragment.node('Sub', [fragment.scalar(1), distance])])
}

/** Every neighbour of every sample, in the layout of the input: [n · k, …], or [n · (k + 1), …] with the sample first. */
function neighbourNodes(fragment: Fragment, input: string, options: BeyondOptions, withSample: boolean): string {
  const { augmentations, layout = 'nchw', range = { min: 0, max: 1 } } = options
  const { height, width, channels, neighbours } = augmentations
  const k = neighbours.length
  const plane = height * width
  const stretched = range.min !== 0 || range.max !== 1
  const span = (): string => fragment.scalar(range.max - range.min)
  const low = (): string => fragment.scalar(range.min)
  const image = layout === 'nhwc' ? fragment.node('Transpose', [input], { perm: [0, 3, 1, 2] }) : input
  const unit = stretched ? fragment.node('Div', [fragment.node('Sub', [image, low()]), span()]) : image
  const planes = fragment.reshape(unit, [-1, 1, height, width])
  const columns = samplingNodes(
    fragment,
    neighbours.map((one) => one.columns),
    width,
    true,
  )
  const rows = samplingNodes(
    fragment,
    neighbours.map((one) => one.rows),
    height,
    false,
  )
  const resampled = fragment.node('MatMul', [rows, fragment.node('MatMul', [planes, columns])])
  /** [n, k, channels, plane] */
  const byChannel =
    channels === 1
      ? fragment.reshape(resampled, [-1, k, 1, plane])
      : fragment.node('Transpose', [fragment.reshape(resampled, [-1, channels, k, plane])], { perm: [0, 2, 1, 3] })
  const colours = fragment.floats(
    neighbours.flatMap(({ colour }) => [...colour]),
    [k, channels, channels],
  )
  const coloured =
    channels === 1 ? fragment.node('Mul', [byChannel, colours]) : fragment.node('MatMul', [colours, byChannel])
  const luma =
    channels === 1 ? coloured : fragment.node('MatMul', [fragment.floats(lumaOf(channels), [1, channels]), coloured])
  const mean = fragment.reduce('ReduceMean', luma, [3], true)
  const factors = (values: number[]): string => fragment.floats(values, [k, 1, 1])
  const contrasted = fragment.node('Add', [
    fragment.node('Mul', [coloured, factors(neighbours.map(({ contrast }) => contrast))]),
    fragment.node('Mul', [mean, factors(neighbours.map(({ contrast }) => 1 - contrast))]),
  ])
  const clipped = fragment.clip(contrasted, 0, 1)
  const pixels = stretched ? fragment.node('Add', [fragment.node('Mul', [clipped, span()]), low()]) : clipped
  const all = withSample
    ? fragment.node('Concat', [fragment.reshape(image, [-1, 1, channels, plane]), pixels], { axis: 1 })
    : pixels
  const images = fragment.reshape(all, [-1, channels, height, width])
  return layout === 'nhwc' ? fragment.node('Transpose', [images], { perm: [0, 2, 3, 1] }) : images
}

/** Lengths over the last of three axes. */
function normNodes(fragment: Fragment, value: string): string {
  const squares = fragment.reduce('ReduceSum', fragment.node('Mul', [value, value]), [2])
  return fragment.clip(fragment.node('Sqrt', [squares]), LEAST_NORM, LARGEST)
}

/** Cosines of the representations of neighbours with their sample's, [n, k]. */
function cosineNodes(fragment: Fragment, { representations = '' }: Passes, k: number): string {
  // Flatten to [n · (k + 1), d] first: a representation may be a map.
  const flat = fragment.node('Flatten', [representations], { axis: 1 })
  const shape = fragment.node(
    'Concat',
    [fragment.integers([-1, k + 1]), fragment.slice(fragment.node('Shape', [flat]), 0, 1, 2)],
    { axis: 0 },
  )
  const grouped = fragment.node('Reshape', [flat, shape])
  const sample = fragment.slice(grouped, 1, 0, 1)
  const others = fragment.slice(grouped, 1, 1, k + 1)
  const dot = fragment.reduce('ReduceSum', fragment.node('Mul', [sample, others]), [2])
  return fragment.node('Div', [dot, fragment.node('Mul', [normNodes(fragment, sample), normNodes(fragment, others)])])
}

/** 1 where a neighbour keeps the protected model's label, [n, k]. */
function agreementNodes({ fragment, classes }: Tier, passes: Passes, k: number): string {
  const label = fragment.unsqueeze(oneHotNodes(fragment, LOGITS_INPUT, classes.count), [1])
  const theirs = oneHotNodes(fragment, passes.outputs, classes.count)
  const both = fragment.node('Mul', [label, fragment.reshape(theirs, [-1, k, classes.count])])
  return fragment.reduce('ReduceSum', both, [2])
}

/** The `order`-th largest over the last axis of [n, k]: the least of those that fewer than `order` others exceed. */
function orderStatisticNodes(fragment: Fragment, values: string, order: number): string {
  const [mine, others] = [fragment.unsqueeze(values, [2]), fragment.unsqueeze(values, [1])]
  const larger = fragment.cast(fragment.node('Greater', [others, mine]), 'float32')
  const exceeded = fragment.reduce('ReduceSum', larger, [2])
  const among = fragment.node('Less', [exceeded, fragment.scalar(order - 0.5)])
  // No cosine is above 1, nor is their mean.
  return fragment.reduce('ReduceMin', fragment.node('Where', [among, values, fragment.scalar(2)]), [1])
}
