/**
 * What `hardpack guard evaluate` is asked for, checked before anything is opened, and the way from sets on disk to tables and
 * report. How a package is opened and attacked is behind `GuardedModel`.
 */

import type { ParseArgsConfig } from 'node:util'
import type { ValueEntry } from '../container/manifest.ts'
import type { CallOptions } from '../core/index.ts'
import { ATTACKS, type AttackName } from '../guard/attack.ts'
import { changedSamples, OUTLIERS, SHIFTS } from '../guard/changes.ts'
import { type AttackOutcome, evaluateGuard } from '../guard/evaluate.ts'
import type { Evaluation } from '../guard/evaluation.ts'
import type { Judge } from '../guard/judged.ts'
import { evaluationPictures } from '../guard/pictures.ts'
import { evaluationReport } from '../guard/report.ts'
import { checkOutput, writeWhole } from '../pack/file.ts'
import { openSamples, type Preprocess, type SampleSet } from '../pack/samples/index.ts'
import { type Arguments, type Io, pairs, preprocessArgument, required, text, UsageError } from './command.ts'
import { evaluationTable } from './evaluation-table.ts'

/** A model with a guard, opened. */
export interface GuardedModel {
  readonly name: string
  /** The one input that samples are for. */
  readonly input: ValueEntry
  /** As `EvaluateOptions.calibrated`. */
  readonly calibrated?: number
  readonly judge: Judge
  /** Attacks clean inputs, each attack in turn. */
  attack(plan: AttackPlan, clean: SampleSet, options: CallOptions): Promise<readonly Attacked[]>
}

/** What one attack came to. */
export interface Attacked {
  readonly outcome: AttackOutcome
  /** By title: the inputs on which it succeeded, and those that an attacker of a stream changes. */
  readonly sets: Readonly<Record<string, SampleSet>>
}

export const EVALUATE_USAGE =
  'evaluate <model.hpk> --clean path [--ood name=path]… [--outliers] [--attack name,…] [--stream K] [--shift] [--report out.html]'

export const EVALUATE_HELP = [
  '--clean PATH        clean inputs that the guard has not seen: a folder of pictures, .npy or IDX',
  '--ood NAME=PATH     inputs from elsewhere; may be repeated',
  '--outliers          inputs made of the clean ones: uniform noise, inverted, rotated',
  `--attack NAMES      attacks, with commas between: ${ATTACKS.join(', ')}`,
  '--epsilon E         the largest change of an element, in units of the input; 0.03 of its range unless told',
  '--attacked N        how many clean inputs are attacked, drawn at random; 200 unless told',
  '--gradient FILE     an ONNX graph of the gradient, for models that hardpack has no rules for',
  '--stream K          the attacker may change K of the attacked inputs, and chooses them online by Virtual+',
  '--shift             false alarms under harmless changes, such as brightness and blur',
  '--preprocess WORDS  how pictures become inputs, such as "range=0..1 order=rgb"',
  '--target NAME       node (default), wasm, or webgpu, which runs in headless Chromium',
  '--alpha LIST        false-alarm rates to report at; 0.05,0.01 unless told',
  '--limit N           at most so many samples a set, drawn at random',
  '--seed N            of these draws, of attacks and of changes; 0 unless told',
  '--report FILE       write an HTML report that needs nothing else',
]

export const EVALUATE_OPTIONS = {
  clean: { type: 'string' },
  ood: { type: 'string', multiple: true },
  outliers: { type: 'boolean' },
  attack: { type: 'string' },
  epsilon: { type: 'string' },
  attacked: { type: 'string' },
  gradient: { type: 'string' },
  stream: { type: 'string' },
  shift: { type: 'boolean' },
  preprocess: { type: 'string' },
  target: { type: 'string' },
  alpha: { type: 'string' },
  limit: { type: 'string' },
  seed: { type: 'string' },
  report: { type: 'string' },
} as const satisfies NonNullable<ParseArgsConfig['options']>

export const EVALUATE_TARGETS = ['node', 'wasm', 'webgpu'] as const

export interface AttackPlan {
  readonly names: readonly AttackName[]
  /** In units of the input; 0.03 of its range where it is not given. */
  readonly epsilon: number | undefined
  /** How many inputs are attacked. */
  readonly count: number
  /** Path of a graph. */
  readonly gradient: string | undefined
  /** How many of them the attacker of a stream may change. */
  readonly stream: number | undefined
  readonly seed: number
}

export interface EvaluatePlan {
  readonly clean: string
  readonly ood: readonly (readonly [name: string, path: string])[]
  readonly outliers: boolean
  readonly attack: AttackPlan | undefined
  readonly shift: boolean
  readonly preprocess: Preprocess
  readonly target: (typeof EVALUATE_TARGETS)[number]
  readonly alphas: readonly number[] | undefined
  readonly limit: number | undefined
  readonly seed: number
  readonly report: string | undefined
}

const ATTACKED = 200

/**
 * Reads the options.
 *
 * @throws UsageError for options that say nothing.
 */
export function evaluatePlan(args: Arguments): EvaluatePlan {
  const alphas = list(args, 'alpha')?.map(Number)
  if (alphas?.some((alpha) => !(alpha > 0 && alpha < 1))) {
    throw new UsageError(`--alpha expected numbers between 0 and 1, got "${text(args, 'alpha')}".`)
  }
  const wanted = text(args, 'target') ?? 'node'
  const target = EVALUATE_TARGETS.find((name) => name === wanted)
  if (!target) throw new UsageError(`--target expected ${EVALUATE_TARGETS.join(', ')}, got "${wanted}".`)
  const seed = whole(args, 'seed', 0) ?? 0
  return {
    clean: required(args, 'clean', '--clean with clean inputs'),
    ood: pairs(args, 'ood'),
    outliers: args.values.outliers === true,
    attack: attackPlan(args, seed),
    shift: args.values.shift === true,
    preprocess: preprocessArgument(args) ?? {},
    target,
    alphas,
    limit: whole(args, 'limit', 1),
    seed,
    report: text(args, 'report'),
  }
}

function attackPlan(args: Arguments, seed: number): AttackPlan | undefined {
  const names = list(args, 'attack')?.map((name) => {
    const known = ATTACKS.find((other) => other === name)
    if (!known) throw new UsageError(`--attack expected some of ${ATTACKS.join(', ')}, got "${name}".`)
    return known
  })
  if (!names) {
    const lone = ['epsilon', 'attacked', 'gradient', 'stream'].find((name) => args.values[name] !== undefined)
    if (lone !== undefined) throw new UsageError(`--${lone} expected an --attack, got none.`)
    return undefined
  }
  const epsilon = text(args, 'epsilon')
  if (epsilon !== undefined && !(Number(epsilon) > 0 && Number.isFinite(Number(epsilon)))) {
    throw new UsageError(`--epsilon expected a number above 0, got "${epsilon}".`)
  }
  return {
    names: [...new Set(names)],
    epsilon: epsilon === undefined ? undefined : Number(epsilon),
    count: whole(args, 'attacked', 1) ?? ATTACKED,
    gradient: text(args, 'gradient'),
    stream: whole(args, 'stream', 1),
    seed,
  }
}

function list(args: Arguments, name: string): string[] | undefined {
  const words = text(args, name)
    ?.split(',')
    .map((word) => word.trim())
  if (words?.some((word) => word === '')) throw new UsageError(`--${name} expected words with commas between.`)
  return words
}

function whole(args: Arguments, name: string, least: number): number | undefined {
  const word = text(args, name)
  if (word === undefined) return undefined
  const number = Number(word)
  if (/^\d+$/.test(word) && number >= least && number < 2 ** 32) return number
  throw new UsageError(`--${name} expected an integer from ${least} on, got "${word}".`)
}

/**
 * Evaluates a guard as planned: prints tables or JSON, and writes the report.
 *
 * @throws HardpackError as `openSamples`, the attacks, `evaluateGuard` and `writeWhole` do.
 * @example
 * await evaluateFiles(evaluatePlan(args), guarded, io)
 */
export async function evaluateFiles(plan: EvaluatePlan, model: GuardedModel, io: Io): Promise<Evaluation> {
  if (plan.report !== undefined) await checkOutput(plan.report, plan.clean)
  const { signal, onProgress } = io
  const { limit, seed, preprocess } = plan
  const open = (path: string): Promise<SampleSet> => openSamples(path, { input: model.input, preprocess, limit, seed })
  const clean = await open(plan.clean)
  const ood: Record<string, SampleSet> = {}
  for (const [name, path] of plan.ood) ood[name] = await open(path)
  for (const outlier of plan.outliers ? OUTLIERS : []) ood[outlier.name] = changedSamples(clean, outlier, seed)
  const attacks = plan.attack ? await model.attack(plan.attack, clean, { signal, onProgress }) : []
  const sets = {
    clean,
    ood,
    attacked: Object.assign({}, ...attacks.map((attack) => attack.sets)) as Record<string, SampleSet>,
    attacks: attacks.map(({ outcome }) => outcome),
    shifts: plan.shift ? SHIFTS : [],
  }
  const evaluation = await evaluateGuard(model.judge, sets, {
    subject: model.name,
    ...(plan.alphas ? { alphas: plan.alphas } : {}),
    ...(model.calibrated === undefined ? {} : { calibrated: model.calibrated }),
    seed,
    signal,
    onProgress,
  })
  if (plan.report !== undefined) {
    await writeWhole(plan.report, evaluationReport(evaluation, await evaluationPictures(evaluation, sets, { signal })))
    io.note(`Wrote the report to ${plan.report}.`)
  }
  io.out(io.json ? JSON.stringify(evaluation) : evaluationTable(evaluation))
  return evaluation
}
