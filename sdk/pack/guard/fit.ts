/**
 * Fitting a guard: the features of clean samples are taken through the model itself, detectors are fitted on them, and what
 * they compute is appended to the model as nodes. Detectors that need passes of their own become graphs of their own.
 */

import { labelsOf } from '../../../detectors/class-probabilities.ts'
import type { Features } from '../../../detectors/features.ts'
import { hypOcHead } from '../../../detectors/hyp-oc/head.ts'
import { fitHypOc } from '../../../detectors/hyp-oc/train.ts'
import type { Mahalanobis } from '../../../detectors/mahalanobis/detector.ts'
import { fitMahalanobis } from '../../../detectors/mahalanobis/fit.ts'
import { mahalanobisHead } from '../../../detectors/mahalanobis/head.ts'
import { type Room, roomFor } from '../../../detectors/mahalanobis/room.ts'
import { energyHead, maxSoftmaxHead } from '../../../detectors/softmax-head.ts'
import { columnsOf, tapLayout } from '../../../detectors/taps.ts'
import type { Target } from '../../../targets/types.ts'
import type { GuardDetector, GuardEntry, ValueEntry } from '../../container/manifest.ts'
import { type CallOptions, HardpackError } from '../../core/index.ts'
import { appendToFile, type Model, makeValue } from '../../onnx/index.ts'
import { feedsOfRoom, ROOM_FEATURES, ROOM_INPUTS } from '../../run/guard/room.ts'
import type { GraphFile } from '../graphs.ts'
import { DEFAULT_DETECTORS, type DetectorChoice } from './choice.ts'
import { type Tapped, tapModel } from './features.ts'
import type { GuardOptions } from './make.ts'
import { collect } from './observe.ts'
import { parameterList } from './parameters.ts'
import { policyOf } from './policy.ts'
import { type Tier, tierOf } from './tiers.ts'

export interface Fitted {
  /** One for each tier; the first is the model with what was appended to it. */
  readonly graphs: readonly GraphFile[]
  readonly entry: Omit<GuardEntry, 'calibrations' | 'room'>
  /** The detector that may learn, and the room that it has. */
  readonly room?: FittedRoom
}

export interface FittedRoom {
  readonly index: number
  readonly detector: Mahalanobis
  readonly room: Room
  readonly extra: number
}

/**
 * Fits a guard to a model.
 *
 * @param target where the model runs meanwhile
 * @throws HardpackError `UNSUPPORTED_MODEL` for a model with several inputs, or that lacks what a detector looks at;
 *   `INVALID_ARGUMENT` for samples that a detector cannot be fitted on, or detectors that none of is cheap.
 */
export async function fitGuard(
  main: GraphFile,
  model: Model,
  options: GuardOptions,
  target: Target,
  call: CallOptions,
): Promise<Fitted> {
  if (main.inputs.length !== 1) {
    throw new HardpackError(
      'UNSUPPORTED_MODEL',
      `A guard expected a model with one input, got ${main.inputs.length}.`,
      {
        hint: 'Fold the other inputs into the model as constants.',
      },
    )
  }
  const choices = options.detectors ?? DEFAULT_DETECTORS
  const cheap = choices.filter(isCheap)
  if (cheap.length === 0) {
    throw new HardpackError(
      'INVALID_ARGUMENT',
      `A guard expected a detector that runs with the model, such as max-softmax, got ${choices.map(({ kind }) => kind).join(', ') || 'none'}.`,
      { hint: 'Add max-softmax or mahalanobis.' },
    )
  }
  const context = await contextOf(main, model, options, target, call)
  const detectors: GuardDetector[] = []
  const baseline = !cheap.some(({ kind }) => kind === 'mahalanobis')
  let room: FittedRoom | undefined
  for (const choice of cheap) {
    const index = detectors.length
    const learning = choice.kind === 'mahalanobis' && !room ? (options.room ?? 0) : 0
    const fitted = await fitCheap(choice, context, { extra: learning, baseline }, call)
    detectors.push(...fitted.detectors)
    if (fitted.room) room = { ...fitted.room, index, extra: learning }
  }
  if (options.room && !room) {
    throw new HardpackError('INVALID_ARGUMENT', 'Room for classes expected the detector mahalanobis, got none.', {
      hint: 'Add mahalanobis to the detectors, or leave out the room.',
    })
  }
  const tiers: Tier[] = []
  for (const choice of choices) if (!isCheap(choice)) tiers.push(await tierOf(choice, context, options, target, call))
  if (options.band && tiers.length === 0) {
    throw new HardpackError('INVALID_ARGUMENT', 'A band expected a detector with a pass of its own, got none.', {
      hint: 'Add feature-squeezing, second-opinion or beyond, or leave out the band.',
    })
  }
  const [low, high] = options.band ?? [0, 1]
  return {
    graphs: [guardedGraph(main, context, detectors, room), ...tiers.map(({ graph }) => graph)],
    entry: {
      tiers: [{ graph: 1, low: 0, high: 1 }, ...tiers.map((_, i) => ({ graph: 2 + i, low, high }))],
      detectors: [...detectors, ...tiers.map(({ detector }, i) => ({ ...detector, tier: 1 + i }))],
      policy: policyOf(options.policy),
      logits: context.logits,
    },
    room,
  }
}

type CheapChoice = Extract<DetectorChoice, { kind: 'max-softmax' | 'energy' | 'mahalanobis' | 'hyp-oc' }>

const isCheap = (choice: DetectorChoice): choice is CheapChoice =>
  ['max-softmax', 'energy', 'mahalanobis', 'hyp-oc'].includes(choice.kind)

/** What detectors are fitted on, and where their nodes go. */
export interface FitContext extends Tapped {
  readonly main: GraphFile
  /** Whether the logits are probabilities already. */
  readonly probabilities: boolean
  readonly samples: {
    readonly features: Features
    readonly labelled: Labelled
    /** Numbers a sample in the logits. */
    readonly logits: number
  }
  readonly seed: number
}

async function contextOf(
  main: GraphFile,
  model: Model,
  options: GuardOptions,
  target: Target,
  call: CallOptions,
): Promise<FitContext> {
  const tapped = await tapModel(main, model, options, options.fit, target, call)
  const { fragment, logits, features } = tapped
  const rows = await collect(main, fragment, [logits, features], options.fit, target, call)
  const probabilities = areProbabilities(rows[logits])
  const labelled = classesOf(options, rows[logits])
  return {
    ...tapped,
    main,
    probabilities,
    samples: { features: { rows: options.fit.count, ...rows[features] }, labelled, logits: rows[logits].columns },
    seed: options.seed ?? 1,
  }
}

function areProbabilities({ columns, data }: { columns: number; data: Float32Array }): boolean {
  for (let start = 0; start < data.length; start += columns) {
    let sum = 0
    for (let i = start; i < start + columns; i++) {
      if (!(data[i] >= 0)) return false
      sum += data[i]
    }
    if (Math.abs(sum - 1) > 1e-3) return false
  }
  return true
}

interface Labelled {
  /** The samples that have a class; of classes that the model sees once only, none. */
  readonly rows: readonly number[]
  readonly labels: Int32Array
  readonly classes: readonly string[]
}

/** The class of each sample: as labelled, or else what the model takes it for. */
function classesOf({ fit }: GuardOptions, { columns, data }: { columns: number; data: Float32Array }): Labelled {
  if (fit.labels) {
    const count = fit.labels.reduce((most, label) => Math.max(most, label + 1), 0)
    const classes = fit.classes ?? Array.from({ length: count }, (_, i) => String(i))
    return { rows: [...fit.labels.keys()], labels: fit.labels, classes }
  }
  const seen = new Map<number, number[]>()
  for (const [row, label] of labelsOf({ rows: fit.count, columns, data }).entries()) {
    const rows = seen.get(label)
    if (rows) rows.push(row)
    else seen.set(label, [row])
  }
  const classes = [...seen].filter(([, rows]) => rows.length > 1).sort(([a], [b]) => a - b)
  const labelled = classes.flatMap(([, rows], id) => rows.map((row) => [row, id] as const)).sort(([a], [b]) => a - b)
  return {
    rows: labelled.map(([row]) => row),
    labels: Int32Array.from(labelled, ([, id]) => id),
    classes: classes.map(([label]) => String(label)),
  }
}

interface FittedCheap {
  readonly detectors: readonly GuardDetector[]
  readonly room?: Pick<FittedRoom, 'detector' | 'room'>
}

interface CheapOptions {
  /** Classes that a device may add. */
  readonly extra: number
  /** Whether Hyp-OC brings its Gaussian baseline. */
  readonly baseline: boolean
}

async function fitCheap(
  choice: CheapChoice,
  context: FitContext,
  { extra, baseline }: CheapOptions,
  call: CallOptions,
): Promise<FittedCheap> {
  const { fragment, logits, softmax, probabilities, features, samples, seed } = context
  if (choice.kind === 'max-softmax') {
    const score = maxSoftmaxHead(fragment, softmax ?? logits, { probabilities: probabilities || softmax !== undefined })
    return { detectors: [detector(context, choice.kind, score)] }
  }
  if (choice.kind === 'energy') {
    const score = energyHead(fragment, logits, { probabilities })
    return { detectors: [detector(context, choice.kind, score, { twoSided: true })] }
  }
  if (choice.kind === 'hyp-oc') {
    const fitted = await fitHypOc(samples.features, { seed, ...call })
    const own = detector(context, choice.kind, hypOcHead(fitted, fragment, features))
    // Mahalanobis is the baseline of Hyp-OC; three detectors on the same features would only dilute the others.
    if (!baseline) return { detectors: [own] }
    const gaussian = fitMahalanobis(samples.features)
    return { detectors: [own, detector(context, 'gaussian', mahalanobisHead(gaussian, fragment, features))] }
  }
  return fitMahalanobisHeads(choice, context, extra)
}

/** One detector; of `per-layer`, one for each tap. */
function fitMahalanobisHeads(
  { variant = 'concat', rank, shrinkage }: Extract<CheapChoice, { kind: 'mahalanobis' }>,
  context: FitContext,
  extra: number,
): FittedCheap {
  const { fragment, taps, features, samples } = context
  const layout = tapLayout(taps)
  const whole = { value: '', start: 0, end: samples.features.columns }
  const parts = variant === 'per-layer' ? layout : variant === 'last-layer' ? layout.slice(-1) : [whole]
  if (extra > 0 && parts.length > 1) {
    throw new HardpackError(
      'INVALID_ARGUMENT',
      'Room for classes expected one Mahalanobis detector, got one a layer.',
      {
        hint: 'Use another variant, or leave out the room.',
      },
    )
  }
  const { rows, labels, classes } = samples.labelled
  const all = rowsOf(samples.features, rows)
  let learning: FittedCheap['room']
  const detectors = parts.map(({ value, start, end }) => {
    const isWhole = end - start === samples.features.columns
    const columns = isWhole ? features : fragment.slice(features, 1, start, end)
    const fitted = fitMahalanobis(
      isWhole ? all : columnsOf(all, { start, end }),
      { classes: labels, names: classes },
      { rank, shrinkage, relative: variant === 'relative', normalised: variant === 'normalised' },
    )
    if (extra > 0) {
      learning = { detector: fitted, room: roomFor(fitted, extra) }
      fragment.node('Identity', [columns], {}, ROOM_FEATURES)
    }
    const score = mahalanobisHead(fitted, fragment, columns, extra > 0 ? ROOM_INPUTS : undefined)
    return detector(context, 'mahalanobis', score, {
      name: variant === 'per-layer' ? `mahalanobis ${value}` : 'mahalanobis',
      parameters: {
        variant,
        taps: value || taps.map((tap) => tap.value).join(' '),
        rank: String(fitted.rank),
        classes: String(fitted.classes.length),
        samples: String(rows.length),
      },
    })
  })
  return { detectors, room: learning }
}

function rowsOf({ rows: count, columns, data }: Features, rows: readonly number[]): Features {
  if (rows.length === count) return { rows: count, columns, data }
  const some = new Float32Array(rows.length * columns)
  for (const [i, row] of rows.entries()) some.set(data.subarray(row * columns, (row + 1) * columns), i * columns)
  return { rows: rows.length, columns, data: some }
}

/** Names the score of a detector as an output of the graph. */
function detector(
  { fragment }: FitContext,
  kind: string,
  score: string,
  {
    name = kind,
    parameters = {},
    twoSided = false,
  }: { name?: string; parameters?: Record<string, string>; twoSided?: boolean } = {},
): GuardDetector {
  const output = fragment.node('Identity', [score], {}, `hardpack.score.${name}`)
  return { name, kind, tier: 0, score: output, twoSided, parameters: parameterList(parameters) }
}

/** The model with its cheap detectors: the first tier. */
function guardedGraph(
  main: GraphFile,
  { fragment, samples, logits }: FitContext,
  detectors: readonly GuardDetector[],
  room: FittedRoom | undefined,
): GraphFile {
  const [batch] = main.inputs[0].shape
  const value = (name: string, shape: readonly (number | string)[]): ValueEntry => ({ name, dtype: 'float32', shape })
  const outputs = [
    ...(main.outputs.some(({ name }) => name === logits) ? [] : [value(logits, [batch, samples.logits])]),
    ...detectors.map(({ score }) => value(score, [batch])),
    ...(room ? [value(ROOM_FEATURES, [batch, room.detector.columns])] : []),
  ]
  const feeds = room ? feedsOfRoom(room.detector, room.room) : {}
  const inputs = Object.entries(feeds).map(([name, { shape }]) => value(name, shape))
  const declared = ({ name, dtype, shape }: ValueEntry) => makeValue(name, dtype, shape)
  const { nodes, initializers } = fragment
  const places = appendToFile(main.file, {
    nodes,
    initializers,
    inputs: inputs.map(declared),
    outputs: outputs.map(declared),
  })
  return {
    name: 'guarded',
    file: places.file,
    inputs: [...main.inputs, ...inputs],
    outputs: [...main.outputs, ...outputs],
    appendedTo: { graph: 0, places },
  }
}
