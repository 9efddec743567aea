/**
 * Attacks on a packed model: its own graph answers them, and the gradient of that graph where one can be built. What they make
 * is judged like any other set of samples.
 */

import {
  type AttackResult,
  adaptive,
  type Batch,
  boundary,
  carliniWagner,
  fgsm,
  graphOracle,
  type Oracle,
  pgd,
  type Run,
  spsa,
  square,
} from '../../detectors/attacks/index.ts'
import { labelsOf as predictedLabels } from '../../detectors/class-probabilities.ts'
import { node } from '../../targets/node.ts'
import type { Feeds, Session } from '../../targets/types.ts'
import type { GuardRoom } from '../container/manifest.ts'
import { type CallOptions, HardpackError, messageOf, type Source, type Tensor } from '../core/index.ts'
import { inputGradient } from '../onnx/gradient/index.ts'
import { readModel, writeModel } from '../onnx/index.ts'
import { loadPackage } from '../open/load.ts'
import { readOptions } from '../open/trust.ts'
import { type SampleSet, valueRange } from '../pack/samples/index.ts'
import { unpackGraphs, type VerifyOptions } from '../pack/verify.ts'
import { startLearning } from '../run/guard/learning.ts'
import { filled, rowsOf } from '../run/rows.ts'

/** Larger batches are hardly faster. */
const LARGEST_BATCH = 128

export const ATTACKS = ['fgsm', 'pgd', 'cw', 'square', 'spsa', 'boundary', 'adaptive'] as const
export type AttackName = (typeof ATTACKS)[number]

/** A packed model as an attacker sees it. */
export interface Victim {
  readonly oracle: Oracle
  /** Shape of one input. */
  readonly shape: readonly number[]
  /** Where channels lie in it. */
  readonly channels: 'first' | 'last'
  /** What an element of an input can be. */
  readonly range: { readonly min: number; readonly max: number }
  /** The detector whose score the oracle has. */
  readonly detector: string
  /** Why there are no gradients, where there are none. */
  readonly withoutGradient?: string
  close(): Promise<void>
}

export interface VictimOptions extends VerifyOptions {
  /** A graph of the gradient, where hardpack cannot build one: inputs and outputs as `inputGradient` gives them. */
  readonly gradient?: Uint8Array
  /** Samples as the attack takes them: their format says what a pixel can be. */
  readonly samples: SampleSet
}

/**
 * Loads the first graph of a guarded package as an oracle of attacks.
 *
 * @throws HardpackError `INVALID_ARGUMENT` for a package without a guard, or samples that are no pictures; and as `verify` does.
 */
export async function openVictim(source: Source, options: VictimOptions): Promise<Victim> {
  const { opened, files } = await unpackGraphs(source, options)
  const { guard, graphs } = opened.manifest
  if (!guard) {
    throw new HardpackError('INVALID_ARGUMENT', 'An evaluation expected a package with a guard, got one without.', {
      hint: 'Pack the model with --calibrate.',
    })
  }
  const { format } = options.samples
  if (!format) {
    throw new HardpackError('INVALID_ARGUMENT', 'An attack expected samples that are pictures, got others.', {
      hint: 'Leave out --attack.',
    })
  }
  const [{ graph }] = guard.tiers
  const file = files[graph]
  const [{ name: input, dtype, shape }] = graphs[graph].inputs
  if (dtype !== 'float32') {
    throw new HardpackError('UNSUPPORTED_MODEL', `An attack expected a model of float32 inputs, got ${dtype}.`, {
      hint: 'Leave out --attack, or attack the float32 model and give the result with --ood.',
    })
  }
  const own = guard.room ? await roomFeeds(source, guard.room, options) : {}
  const fixed = typeof shape[0] === 'number' ? shape[0] : undefined
  const detector = guard.detectors.find(({ kind, tier }) => tier === 0 && kind === 'mahalanobis') ?? guard.detectors[0]
  const sessions: Session[] = []
  const load = async (model: Uint8Array): Promise<Session> => {
    const session = await node().create({ model }, { optimization: 'basic', signal: options.signal })
    sessions.push(session)
    return session
  }
  const close = async (): Promise<void> => {
    for (const session of sessions.splice(0)) await session.close()
  }
  try {
    const forward = await load(file)
    let backward: Session | undefined
    let withoutGradient: string | undefined
    try {
      const output = [guard.logits, detector.score]
      backward = await load(options.gradient ?? writeModel(inputGradient(readModel(file), { input, output })))
    } catch (error) {
      if (!(error instanceof HardpackError && error.code === 'UNSUPPORTED_MODEL') || options.gradient) throw error
      withoutGradient = messageOf(error)
    }
    const run = (session: Session): Run => inBatches(session, own, fixed, options.signal)
    const batch = await options.samples.batch([0])
    const { [guard.logits]: logits } = await run(forward)({ [input]: batch })
    const { min, max } = valueRange(format)
    return {
      oracle: graphOracle({
        forward: run(forward),
        backward: backward && run(backward),
        input,
        logits: guard.logits,
        score: detector.score,
        classes: logits.shape[1],
      }),
      shape: batch.shape.slice(1),
      channels: format.layout === 'nchw' ? 'first' : 'last',
      // As the samples are rounded: else black may lie outside.
      range: { min: Math.fround(min), max: Math.fround(max) },
      detector: detector.name,
      withoutGradient,
      close,
    }
  } catch (error) {
    await close()
    throw error
  }
}

/** What the detector that may learn feeds to the first pass, before anything was learned. */
async function roomFeeds(source: Source, room: GuardRoom, options: VictimOptions): Promise<Feeds> {
  const base = options.base && (() => options.base as Source)
  const { learning } = await loadPackage(source, readOptions(options), { ...options, base })
  return startLearning(room, learning).feeds
}

/** Runs a session on any number of rows, in pieces that it can take. */
function inBatches(session: Session, own: Feeds, fixed: number | undefined, signal: AbortSignal | undefined): Run {
  return async (feeds) => {
    const [count] = Object.values(feeds)[0].shape
    const size = fixed ?? LARGEST_BATCH
    const parts: Record<string, Tensor>[] = []
    for (let start = 0; start < count; start += size) {
      const wanted = Array.from({ length: Math.min(size, count - start) }, (_, i) => start + i)
      const rows = fixed === undefined ? wanted : filled(wanted, fixed)
      const some = Object.entries(feeds).map(([name, tensor]) => [name, rowsOf(tensor, rows)])
      const results = await session.run({ ...Object.fromEntries(some), ...own }, { signal })
      const kept = wanted.map((row) => row - start)
      parts.push(Object.fromEntries(Object.entries(results).map(([name, tensor]) => [name, rowsOf(tensor, kept)])))
    }
    return Object.fromEntries(Object.keys(parts[0]).map((name) => [name, joined(parts.map((part) => part[name]))]))
  }
}

/** Float32 tensors one after another. */
function joined(tensors: readonly Tensor[]): Tensor {
  if (tensors.length === 1) return tensors[0]
  const data = new Float32Array(tensors.reduce((sum, tensor) => sum + tensor.data.length, 0))
  let at = 0
  for (const tensor of tensors) {
    data.set(tensor.data as Float32Array, at)
    at += tensor.data.length
  }
  const [{ shape }] = tensors
  return {
    dtype: 'float32',
    shape: [tensors.reduce((sum, tensor) => sum + tensor.shape[0], 0), ...shape.slice(1)],
    data,
  }
}

export interface RunAttackOptions extends CallOptions {
  /** The largest change of an element, in units of the model's input. */
  readonly epsilon: number
  /** The score from which on `detector` flags: what the adaptive attack stays below. */
  readonly threshold: number
  readonly seed?: number
}

/** Runs one attack on inputs with these labels. */
export function runAttack(
  name: AttackName,
  { oracle, range, channels }: Victim,
  images: Batch,
  labels: ArrayLike<number>,
  { epsilon, threshold, seed, ...call }: RunAttackOptions,
): Promise<AttackResult> {
  const options = { range, seed, ...call }
  if (name === 'fgsm') return fgsm(oracle, images, labels, { ...options, epsilon })
  if (name === 'pgd') return pgd(oracle, images, labels, { ...options, epsilon, steps: 20 })
  if (name === 'cw') return carliniWagner(oracle, images, labels, options)
  if (name === 'square') return square(oracle, images, labels, { ...options, epsilon, channels })
  if (name === 'spsa') return spsa(oracle, images, labels, { ...options, epsilon })
  if (name === 'boundary') return boundary(oracle, images, labels, options)
  return adaptive(oracle, images, labels, { ...options, epsilon, threshold, channels })
}

/** Samples as an attack takes them. */
export async function imagesOf(set: SampleSet, { shape }: Victim): Promise<Batch> {
  const { data } = await set.batch(Array.from({ length: set.count }, (_, i) => i))
  return { shape, data: data as Float32Array }
}

/** The label of each sample: the true one, or what the model takes it for. */
export async function labelsOf(set: SampleSet, { oracle }: Victim, images: Batch): Promise<Int32Array> {
  if (set.labels) return set.labels
  const { classes } = oracle
  const { logits } = await oracle.answers(images)
  return Int32Array.from(predictedLabels({ rows: set.count, columns: classes, data: logits }))
}
