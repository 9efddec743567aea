/**
 * The guard of an opened model: each run gives outputs and, of each sample, whether it should be believed. It fails closed: a
 * detector that fails, or that gives no finite score, makes the verdict `indeterminate`.
 */

import { type Calibration, calibrate, judge, runsTier } from '../../../detectors/calibrate/calibration.ts'
import { type DriftStatus, type Monitor, observe, startMonitor } from '../../../detectors/monitor.ts'
import type { GuardEntry, GuardPolicy, ValueEntry } from '../../container/manifest.ts'
import { HardpackError, messageOf, type Tensor, throwIfAborted, toHex } from '../../core/index.ts'
import { feedsOf, type InputValue } from '../feeds.ts'
import type { Started } from '../self-test.ts'
import { type CalibrationTables, calibrationFor, type Levels, levelsOf, rulesOf } from './calibrated.ts'
import { importLearned, type Learning, learnClass, learnedState, startLearning } from './learning.ts'
import { firstOutputs, runPasses, type Scored } from './passes.ts'
import { tighten, withholds } from './policy.ts'
import { ROOM_FEATURES } from './room.ts'
import { type GuardState, restore } from './state.ts'
import { type Action, gravest, type Reason, type Verdict } from './verdict.ts'

/** What `open` knows about the guard of a package. */
export interface GuardFacts {
  readonly entry: GuardEntry
  readonly policy: GuardPolicy
  readonly tables: readonly CalibrationTables[]
  /** What the detector that may learn is made of, by name. */
  readonly learning: Readonly<Record<string, Tensor>>
  readonly inputs: readonly ValueEntry[]
  readonly outputs: readonly ValueEntry[]
  readonly manifestDigest: Uint8Array
}

export type { GuardState } from './state.ts'

export interface GuardReport {
  readonly detectors: readonly {
    readonly name: string
    readonly kind: string
    readonly tier: number
    /** How it was fitted. */
    readonly parameters: Readonly<Record<string, string>>
  }[]
  /** Clean samples behind the p-values. */
  readonly samples: number
  readonly policy: GuardPolicy
  /** True when it was calibrated on this device. */
  readonly recalibrated: boolean
  /** Whether the inputs seen so far look like the clean samples. */
  readonly drift: DriftStatus
  readonly degraded?: string
}

/** Fewer trusted frames say too little about the rare scores that decide. */
const FEWEST_FRAMES = 200

export interface GuardedRun {
  readonly outputs: Record<string, Tensor>
  readonly verdict: Verdict
  readonly verdicts: readonly Verdict[]
}

export class Guard {
  readonly #facts: GuardFacts
  readonly #started: Started
  /** Of the first pass. */
  readonly #outputs: readonly string[]
  #policy: GuardPolicy
  #calibration: Calibration
  #levels: Levels
  #degraded: string | undefined
  #monitor: Monitor
  #learning: Learning | undefined
  #recalibrated = false

  constructor(facts: GuardFacts, started: Started) {
    this.#facts = facts
    this.#started = started
    this.#outputs = firstOutputs(facts.entry, facts.outputs)
    this.#policy = facts.policy
    const { calibration, degraded } = calibrationFor(facts.entry, facts.tables, started.target.name)
    this.#calibration = calibration
    this.#levels = levelsOf(calibration, facts.policy)
    this.#degraded = degraded
    this.#monitor = startMonitor(samplesOf(calibration))
    const { room } = facts.entry
    this.#learning = room && startLearning(room, facts.learning)
  }

  /**
   * Runs the model on one batch. `Model.run` is this, for a package with a guard.
   *
   * @param feeds tensors of the model's inputs
   * @throws HardpackError as `Model.run` does; what goes wrong in the guard is a verdict, not an error.
   */
  async run(feeds: Readonly<Record<string, Tensor>>, { signal }: { signal?: AbortSignal } = {}): Promise<GuardedRun> {
    const scored = await this.#score(feeds, (tier, scores, sample) => this.#needs(tier, scores, sample), signal)
    const verdicts = Array.from({ length: scored.samples }, (_, sample) => this.#verdict(scored, sample))
    const verdict = gravest(verdicts)
    const names = this.#facts.outputs.map(({ name }) => name)
    const outputs = verdict.withheld ? {} : Object.fromEntries(names.map((name) => [name, scored.outputs[name]]))
    return { outputs, verdict, verdicts }
  }

  /**
   * The scores of one batch, of all detectors, whatever the cascade says: for calibration and evaluation.
   *
   * @returns one list for each detector, a score for each sample
   * @throws HardpackError as `Model.run` does; `TARGET_FAILED` where a detector fails.
   */
  async scores(
    inputs: Readonly<Record<string, InputValue>>,
    { signal }: { signal?: AbortSignal } = {},
  ): Promise<readonly Float64Array[]> {
    const { scores, failure } = await this.#score(feedsOf(this.#facts.inputs, inputs), () => true, signal)
    if (failure) throw new HardpackError('TARGET_FAILED', failure)
    return scores
  }

  /**
   * Calibrates on clean inputs of this device, such as frames of a new camera. Until now its own p-values counted clean
   * samples of the package; from now on these.
   *
   * @param frames inputs, single ones or batches, that are known to be clean: at least 200 samples in all
   * @param options.alpha the rate of clean inputs to flag; not lower than that of the package
   * @throws HardpackError `INVALID_ARGUMENT` for too few frames, or a rate that they cannot give; and as `Model.run` does.
   * @example
   * await model.guard.recalibrate(frames, { alpha: 0.05 })
   */
  async recalibrate(
    frames: readonly Readonly<Record<string, InputValue>>[],
    { alpha, signal }: { alpha?: number; signal?: AbortSignal } = {},
  ): Promise<void> {
    const policy = tighten(this.#facts.policy, alpha === undefined ? {} : { flag: alpha })
    const columns: number[][] = this.#facts.entry.detectors.map(() => [])
    for (const frame of frames) {
      throwIfAborted(signal)
      const scores = await this.scores(frame, { signal })
      for (const [index, column] of columns.entries()) column.push(...scores[index])
    }
    const [{ length }] = columns
    if (length < FEWEST_FRAMES) {
      throw new HardpackError(
        'INVALID_ARGUMENT',
        `Recalibration expected at least ${FEWEST_FRAMES} trusted frames, got ${length}.`,
        { hint: 'Collect more frames that are known to be clean.' },
      )
    }
    this.#use(calibrate(columns, rulesOf(this.#facts.entry)), policy)
  }

  /**
   * Adds a class to what the guard takes for normal, from samples of it; the model itself stays as it is. Scores change with it, so
   * verdicts are `degraded` until `recalibrate`.
   *
   * @param name of the class
   * @param samples at least two inputs that show it
   * @throws HardpackError `INVALID_ARGUMENT` for a package without room for classes (`pack --room`), too few samples, or a name
   *   that is taken; `LIMIT_EXCEEDED` when the room is used up; and as `Model.run` does.
   * @example
   * await model.guard.addClass('sandal', photos)
   */
  async addClass(
    name: string,
    samples: readonly Readonly<Record<string, InputValue>>[],
    { signal }: { signal?: AbortSignal } = {},
  ): Promise<void> {
    const learning = this.#learning
    if (!learning) {
      throw new HardpackError(
        'INVALID_ARGUMENT',
        'A new class expected a package with room for classes, got one without.',
        { hint: 'Pack the model with --room.' },
      )
    }
    const rows: Tensor[] = []
    for (const sample of samples) {
      throwIfAborted(signal)
      const feeds = { ...feedsOf(this.#facts.inputs, sample), ...learning.feeds }
      rows.push((await this.#started.sessions[0].run(feeds, { outputs: [ROOM_FEATURES], signal }))[ROOM_FEATURES])
    }
    this.#learning = learnClass(learning, name, rows)
    this.#degraded = 'A class was added to the guard: recalibrate it.'
  }

  /**
   * Whether the inputs that were run look like the clean samples, as a stream: `drift` stays until the guard is recalibrated on
   * trusted frames. It never moves a threshold by itself.
   */
  get monitor(): DriftStatus {
    return this.#monitor.status
  }

  /**
   * The score up to which a detector alone would not have flagged, on the side of large scores.
   *
   * @throws HardpackError `INVALID_ARGUMENT` for a detector that the guard has not.
   */
  threshold(detector: string): number {
    const { detectors } = this.#facts.entry
    const index = detectors.findIndex(({ name }) => name === detector)
    if (index >= 0) return this.#levels.accepted[index].high
    const names = detectors.map(({ name }) => name).join(', ')
    throw new HardpackError('INVALID_ARGUMENT', `A threshold expected one of ${names}, got "${detector}".`)
  }

  /** How the guard judges. */
  report(): GuardReport {
    const { entry } = this.#facts
    return {
      detectors: entry.detectors.map(({ name, kind, tier, parameters }) => ({
        name,
        kind,
        tier,
        parameters: Object.fromEntries(parameters.map((parameter) => [parameter.name, parameter.value])),
      })),
      samples: samplesOf(this.#calibration),
      policy: this.#policy,
      recalibrated: this.#recalibrated,
      drift: this.#monitor.status,
      ...(this.#degraded === undefined ? {} : { degraded: this.#degraded }),
    }
  }

  /** What was learned on this device, to be kept for the next time the package is opened here. */
  export(): GuardState {
    const { tables, combined } = this.#calibration
    return {
      manifest: toHex(this.#facts.manifestDigest),
      target: this.#started.target.name,
      flag: this.#policy.flag,
      tables: tables.map((table) => [...table]),
      combined: [...combined],
      monitor: this.#monitor,
      recalibrated: this.#recalibrated,
      ...(this.#degraded === undefined ? {} : { degraded: this.#degraded }),
      ...(this.#learning ? { learned: learnedState(this.#learning) } : {}),
    }
  }

  /**
   * Takes what `export` gave. It is the app's own data, which nothing signs: whoever can change it can calm the guard.
   *
   * @throws HardpackError `INVALID_ARGUMENT` for the state of another package or target, or one that is none; `LIMIT_EXCEEDED`
   *   for one with more classes than there is room for.
   */
  import(state: GuardState): void {
    const owner = { manifest: toHex(this.#facts.manifestDigest), target: this.#started.target.name }
    const { calibration, monitor } = restore(state, owner, rulesOf(this.#facts.entry))
    const { policy } = this.#facts
    // What the app tightened since then stays tightened.
    const tightened = tighten(policy, { flag: Math.max(state.flag, policy.flag) })
    const learning = this.#learning && state.learned && importLearned(this.#learning, state.learned)
    this.#use(calibration, tightened)
    this.#recalibrated = state.recalibrated
    this.#degraded = state.degraded
    this.#monitor = monitor
    this.#learning = learning ?? this.#learning
  }

  #use(calibration: Calibration, policy: GuardPolicy): void {
    this.#levels = levelsOf(calibration, policy)
    this.#calibration = calibration
    this.#policy = policy
    this.#recalibrated = true
    this.#degraded = undefined
    this.#monitor = startMonitor(samplesOf(calibration))
  }

  #score(
    feeds: Readonly<Record<string, Tensor>>,
    needs: Parameters<typeof runPasses>[4],
    signal: AbortSignal | undefined,
  ): Promise<Scored> {
    const first = { feeds: this.#learning?.feeds ?? {}, outputs: this.#outputs }
    return runPasses(this.#facts.entry, this.#started.sessions, feeds, first, needs, signal)
  }

  /** Whether a tier has to see a sample. One whose scores are not finite is not judged, so no tier need see it. */
  #needs(tier: number, scores: readonly Float64Array[], sample: number): boolean {
    try {
      return runsTier(
        this.#calibration,
        scores.map((column) => column[sample]),
        tier,
      )
    } catch {
      return false
    }
  }

  #verdict({ scores, failure }: Scored, sample: number): Verdict {
    const { flag: alpha } = this.#policy
    const own = scores.map((column) => column[sample])
    let p: number
    let reasons: readonly Reason[]
    try {
      const judged = judge(this.#calibration, own)
      p = judged.p
      this.#monitor = observe(this.#monitor, judged.mid)
      reasons = this.#reasons(own, judged.perDetector)
    } catch (error) {
      const withheld = withholds(this.#policy, 'indeterminate')
      return {
        action: 'indeterminate',
        p: Number.NaN,
        alpha,
        reasons: [],
        withheld,
        degraded: failure ?? messageOf(error),
      }
    }
    const { flag, reject } = this.#levels
    const action: Action = p <= reject ? 'reject' : p <= flag ? 'flag' : 'accept'
    const withheld = withholds(this.#policy, action)
    return {
      action,
      p,
      alpha,
      reasons,
      withheld,
      ...(this.#degraded === undefined ? {} : { degraded: this.#degraded }),
    }
  }

  #reasons(scores: readonly number[], p: Float64Array): Reason[] {
    const { accepted } = this.#levels
    return this.#facts.entry.detectors
      .map(({ name }, i) => {
        const { low, high } = accepted[i]
        const below = scores[i] - low < high - scores[i]
        return { detector: name, score: scores[i], p: p[i], threshold: below ? low : high }
      })
      .filter((reason) => !Number.isNaN(reason.p))
      .sort((a, b) => a.p - b.p)
  }
}

/** How many clean samples are behind the p-values. */
const samplesOf = ({ tables, combined }: Calibration): number => combined.length || tables[0].length

export { tighten }
