/**
 * Reference outputs: the model's own meaning. They are taken with graph optimisation disabled, since a rewritten graph
 * can be wrong, and stand only if a second, independent runtime gives the same answers.
 */

import type { Graph, Session, Target } from '../../targets/types.ts'
import type { ValueEntry } from '../container/manifest.ts'
import { type CallOptions, elementCount, HardpackError, messageOf, type Tensor } from '../core/index.ts'
import {
  agrees,
  compare,
  elementAt,
  type GoldenCase,
  type GoldenSamples,
  MAX_SAMPLES,
  sample,
  worst,
} from '../run/golden.ts'
import { seededTensor } from '../run/seeded.ts'
import { seededTrials, type Trial, type TrialInput } from './trial.ts'

export interface ReferenceOptions extends CallOptions {
  /** The runtime that defines the outputs, and the one that must agree. */
  reference: Target
  second: Target
  /** Inputs of golden cases; seeded ones are made when there are none. */
  golden?: readonly Readonly<Record<string, Tensor>>[]
  shapes?: Readonly<Record<string, readonly number[]>>
  /** Inputs that `golden` leaves out: they are seeded beside it. */
  seeded?: readonly string[]
  /** Whether the graph computes in integers between quantisation steps, where one rounding is a whole step. */
  quantized: boolean
}

/** A golden case ready to be written. */
export interface ReferenceCase {
  readonly trial: Trial
  readonly outputs: readonly GoldenSamples[]
}

export interface Reference {
  readonly cases: readonly ReferenceCase[]
  /** Largest difference between the two runtimes, and its tolerance. */
  readonly agreement: {
    readonly reference: string
    readonly second: string
    readonly maxAbsDiff: number
    readonly tolerance: number
  }
}

/**
 * Tolerance in units of the largest reference value of an output. A quantised graph turns one different rounding into
 * whole steps that add up over layers (8 % seen on a correct MobileNetV2; 70 % and more on a wrong kernel).
 */
const RELATIVE_TOLERANCE = { float32: 1e-3, float16: 1e-2, quantized: 0.15 }

/** An output that is saturated near 0 carries only the rounding of the values that cancelled. */
const MIN_TOLERANCE = 1e-6

/**
 * Runs the model on both runtimes.
 *
 * @throws HardpackError `UNSUPPORTED_MODEL` with the runtime's own reason, `REFERENCE_MISMATCH` when the two disagree,
 *   `TARGET_UNAVAILABLE` when one of them is not installed, `ABORTED`.
 */
export async function takeReference(
  graph: Graph,
  inputs: readonly ValueEntry[],
  options: ReferenceOptions,
): Promise<Reference> {
  const { reference, second, signal, onProgress } = options
  const stage = 'reference outputs'
  onProgress?.({ stage, done: 0, total: 2 })
  const cases = await withSession(reference, graph, signal, async (session) => {
    const trials = options.golden?.length
      ? await givenTrials(
          session,
          options.golden,
          inputs.filter(({ name }) => options.seeded?.includes(name)),
          signal,
        )
      : await seededTrials(session, inputs, options.shapes ?? {}, signal)
    return trials.map((trial) => ({ trial, outputs: samplesOf(trial, options.quantized) }))
  })
  onProgress?.({ stage, done: 1, total: 2 })
  const differences = await withSession(second, graph, signal, async (session) => {
    const all = []
    for (const { trial, outputs } of cases) {
      const feeds = feedsOf(trial)
      all.push(...compare({ inputs: feeds, outputs }, await session.run(feeds, { signal })))
    }
    return all
  }).catch((error) => {
    const isOfModel = error instanceof HardpackError && ['UNSUPPORTED_MODEL', 'TARGET_FAILED'].includes(error.code)
    if (!isOfModel) throw error
    throw new HardpackError(
      'REFERENCE_MISMATCH',
      `The model expected to run on ${reference.name} and ${second.name}, got a refusal from ${second.name}: ${messageOf(error)}`,
      { hint: 'Change the operator that it names.', cause: error },
    )
  })
  onProgress?.({ stage, done: 2, total: 2 })
  const { output, maxAbsDiff, tolerance } = worst(differences)
  if (!agrees(differences)) {
    throw new HardpackError(
      'REFERENCE_MISMATCH',
      `The reference expected ${reference.name} and ${second.name} to agree on output "${output}" within ${tolerance.toPrecision(3)}, got a difference of ${maxAbsDiff.toPrecision(3)}.`,
      {
        hint: 'One of the two runs this model wrongly, or the model is random: fix the model, or give inputs with --golden.',
      },
    )
  }
  return { cases, agreement: { reference: reference.name, second: second.name, maxAbsDiff, tolerance } }
}

/** The inputs of a trial, as a runtime takes them. */
export function feedsOf(trial: Trial): GoldenCase['inputs'] {
  return Object.fromEntries(Object.entries(trial.inputs).map(([name, { tensor }]) => [name, tensor]))
}

async function withSession<T>(
  target: Target,
  graph: Graph,
  signal: AbortSignal | undefined,
  use: (session: Session) => Promise<T>,
): Promise<T> {
  const session = await target.create(graph, { optimization: 'disabled', signal })
  try {
    return await use(session)
  } finally {
    await session.close()
  }
}

async function givenTrials(
  session: Session,
  golden: readonly Readonly<Record<string, Tensor>>[],
  beside: readonly ValueEntry[],
  signal: AbortSignal | undefined,
): Promise<Trial[]> {
  const trials: Trial[] = []
  const seeded = beside.map(({ name, dtype, shape }, index): [string, TrialInput] => {
    const origin = { seed: 1 + 1000 * index, amplitude: 1 }
    return [name, { tensor: seededTensor(dtype, shape.map(Number), origin.seed, origin.amplitude), origin }]
  })
  for (const feeds of golden) {
    const given = Object.entries(feeds).map(([name, tensor]): [string, TrialInput] => [
      name,
      { tensor, origin: 'given' },
    ])
    const inputs = Object.fromEntries([...given, ...seeded])
    const all = Object.fromEntries(Object.entries(inputs).map(([name, { tensor }]) => [name, tensor]))
    trials.push({ inputs, outputs: await session.run(all, { signal }) })
  }
  return trials
}

function samplesOf(trial: Trial, quantized: boolean): GoldenSamples[] {
  return Object.entries(trial.outputs).map(([name, tensor]) => {
    const { dtype, shape } = tensor
    const count = elementCount(shape)
    let scale = 0
    for (let i = 0; i < count; i++) {
      const magnitude = Math.abs(elementAt(tensor, i))
      if (magnitude > scale && magnitude < Number.POSITIVE_INFINITY) scale = magnitude
    }
    const isReal = dtype.includes('float')
    const relative = quantized
      ? RELATIVE_TOLERANCE.quantized
      : RELATIVE_TOLERANCE[dtype === 'float32' ? 'float32' : 'float16']
    const tolerance = isReal
      ? Math.max(scale * relative, MIN_TOLERANCE)
      : quantized && dtype.endsWith('int8')
        ? Math.ceil(scale * relative)
        : 0
    const values = sample(tensor, Math.min(count, MAX_SAMPLES))
    return { name, dtype, shape, tolerance, values: isReal ? roundTo(values, tolerance / 64) : values }
  })
}

/** Values rounded to multiples of the power of two below `step`: other machines round alike, and zeros pack well. */
function roundTo(values: Float64Array, step: number): Float64Array {
  let power = 1
  while (power > step) power /= 2
  while (power * 2 <= step) power *= 2
  return values.map((value) => (Number.isFinite(value) ? Math.round(value / power) * power : value))
}
