/**
 * `hardpack guard evaluate`, from the sets on disk to tables and report. How a package is opened, and how it is attacked, is
 * behind `GuardedModel`.
 */

import type { ParseArgsConfig } from 'node:util'
import type { ValueEntry } from '../container/manifest.ts'
import { type CallOptions, HardpackError } from '../core/index.ts'
import { changedSamples, OUTLIERS, SHIFTS } from '../guard/changes.ts'
import { evaluateGuard } from '../guard/evaluate.ts'
import type { Evaluation } from '../guard/evaluation.ts'
import type { Judge } from '../guard/judged.ts'
import { evaluationPictures } from '../guard/pictures.ts'
import { evaluationReport } from '../guard/report.ts'
import { checkOutput, writeWhole } from '../pack/file.ts'
import { openSamples, parsePreprocess, type SampleSet } from '../pack/samples/index.ts'
import { type Arguments, type Io, pairs, required, text, UsageError } from './command.ts'
import { evaluationTable } from './evaluation-table.ts'

/** A model with a guard, opened. */
export interface GuardedModel {
  readonly name: string
  /** The one input that samples are for. */
  readonly input: ValueEntry
  /** As `EvaluateOptions.calibrated`. */
  readonly calibrated?: number
  readonly judge: Judge
  /** Names that `attack` knows. */
  readonly attacks: readonly string[]
  /**
   * Clean inputs, attacked.
   *
   * @param stream only those inputs that an attacker of a stream would pick
   */
  attack(name: string, clean: SampleSet, options: CallOptions & { stream: boolean }): Promise<SampleSet>
}

export const EVALUATE_USAGE =
  'evaluate <model.hpk> --clean path [--ood name=path]… [--outliers] [--attack name,…] [--stream] [--shift] [--report out.html]'

export const EVALUATE_HELP = [
  '--clean PATH        clean inputs that the guard was not fitted on: a folder of pictures, .npy or IDX',
  '--ood NAME=PATH     inputs from elsewhere; may be repeated',
  '--outliers          inputs made of the clean ones: uniform noise, inverted, rotated',
  '--attack NAMES      attacks, with commas between: fgsm, pgd, cw, …',
  '--stream            attack only those inputs that an attacker of a stream would pick',
  '--shift             false alarms under harmless changes, such as brightness and blur',
  '--preprocess WORDS  how pictures become inputs, such as "range=0..1 order=rgb"',
  '--alpha LIST        false-alarm rates to report at; 0.05,0.01 unless told',
  '--limit N           at most so many samples a set, drawn at random',
  '--seed N            of that draw and of the changes; 0 unless told',
  '--report FILE       write an HTML report that needs nothing else',
]

export const EVALUATE_OPTIONS = {
  clean: { type: 'string' },
  ood: { type: 'string', multiple: true },
  outliers: { type: 'boolean' },
  attack: { type: 'string' },
  stream: { type: 'boolean' },
  shift: { type: 'boolean' },
  preprocess: { type: 'string' },
  alpha: { type: 'string' },
  limit: { type: 'string' },
  seed: { type: 'string' },
  report: { type: 'string' },
} as const satisfies NonNullable<ParseArgsConfig['options']>

/** What is asked for, checked before anything is opened. */
export interface EvaluatePlan {
  readonly clean: string
  readonly ood: readonly (readonly [name: string, path: string])[]
  readonly outliers: boolean
  readonly attacks: readonly string[]
  readonly stream: boolean
  readonly shift: boolean
  readonly preprocess: string
  readonly alphas: readonly number[] | undefined
  readonly limit: number | undefined
  readonly seed: number
  readonly report: string | undefined
}

/**
 * Reads the options.
 *
 * @throws UsageError for options that say nothing.
 */
export function evaluatePlan(args: Arguments): EvaluatePlan {
  const list = (name: string): string[] | undefined => {
    const words = text(args, name)?.split(',')
    if (words?.some((word) => word === '')) throw new UsageError(`--${name} expected words with commas between.`)
    return words
  }
  const whole = (name: string, least: number): number | undefined => {
    const word = text(args, name)
    if (word === undefined) return undefined
    const number = Number(word)
    if (/^\d+$/.test(word) && number >= least && number < 2 ** 32) return number
    throw new UsageError(`--${name} expected an integer from ${least} on, got "${word}".`)
  }
  const alphas = list('alpha')?.map(Number)
  if (alphas?.some((alpha) => !(alpha > 0 && alpha < 1))) {
    throw new UsageError(`--alpha expected numbers between 0 and 1, got "${text(args, 'alpha')}".`)
  }
  const attacks = list('attack') ?? []
  const stream = args.values.stream === true
  if (stream && attacks.length === 0) throw new UsageError('--stream expected an --attack, got none.')
  return {
    clean: required(args, 'clean', '--clean with clean inputs'),
    ood: pairs(args, 'ood'),
    outliers: args.values.outliers === true,
    attacks: [...new Set(attacks)],
    stream,
    shift: args.values.shift === true,
    preprocess: text(args, 'preprocess') ?? '',
    alphas,
    limit: whole('limit', 1),
    seed: whole('seed', 0) ?? 0,
    report: text(args, 'report'),
  }
}

/**
 * Evaluates a guard as planned: prints tables or JSON, and writes the report.
 *
 * @throws HardpackError `INVALID_ARGUMENT` for an attack that the model does not know; as `openSamples`, `evaluateGuard` and
 *   `writeWhole` do.
 * @example
 * await evaluateFiles(evaluatePlan(args), guarded, io)
 */
export async function evaluateFiles(plan: EvaluatePlan, model: GuardedModel, io: Io): Promise<Evaluation> {
  const unknown = plan.attacks.find((attack) => !model.attacks.includes(attack))
  if (unknown !== undefined) {
    const known = model.attacks.join(', ') || 'none for this model'
    throw new HardpackError('INVALID_ARGUMENT', `--attack expected ${known}, got "${unknown}".`)
  }
  if (plan.report !== undefined) await checkOutput(plan.report, plan.clean)
  const { signal, onProgress } = io
  const { limit, seed } = plan
  const preprocess = parsePreprocess(plan.preprocess)
  const open = (path: string): Promise<SampleSet> => openSamples(path, { input: model.input, preprocess, limit, seed })
  const clean = await open(plan.clean)
  const ood: Record<string, SampleSet> = {}
  for (const [name, path] of plan.ood) ood[name] = await open(path)
  for (const outlier of plan.outliers ? OUTLIERS : []) ood[outlier.name] = changedSamples(clean, outlier, seed)
  const attacked: Record<string, SampleSet> = {}
  for (const name of plan.attacks) {
    const title = plan.stream ? `${name}, picked from a stream` : name
    attacked[title] = await model.attack(name, clean, { stream: plan.stream, signal, onProgress })
  }
  const sets = { clean, ood, attacked, shifts: plan.shift ? SHIFTS : [] }
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
