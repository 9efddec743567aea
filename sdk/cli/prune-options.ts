/** The options of `hardpack pack` that prune a model before it is packed. */

import { signatureOf } from '../onnx/index.ts'
import { checkOutput, writeWhole } from '../pack/file.ts'
import { openSamples } from '../pack/samples/index.ts'
import { parseBudget } from '../prune/budget.ts'
import { type PruneOptions, type PruneResult, prune } from '../prune/prune-file.ts'
import { pruneReport } from '../prune/report.ts'
import type { FilePruneReport } from '../prune/report-data.ts'
import { summarise } from '../prune/summary.ts'
import { type Arguments, type Io, parsed, preprocessArgument, text, UsageError } from './command.ts'

export const PRUNE_HELP: readonly string[] = [
  '--prune BUDGET        remove channels first, until this remains: flops=0.5, params=0.5, latency=0.6, bytes=0.5 or bytes=2MB',
  '--prune-samples PATH  unlabelled samples to prune on; default: those that the guard is fitted on, else synthetic pictures',
  '--method NAME         default, or paper: ModHiFi as published',
  '--align N             leave channels in multiples of N, as CPU kernels are fast at; default 8, for latency what the target likes',
  '--max-disagreement R  stop before a larger share of answers than this differs from the original, such as 0.02',
  '--report FILE         write what pruning came to as HTML, with a .json beside it',
]

export const PRUNE_OPTIONS = {
  prune: { type: 'string' },
  'prune-samples': { type: 'string' },
  method: { type: 'string' },
  align: { type: 'string' },
  'max-disagreement': { type: 'string' },
  report: { type: 'string' },
} as const

/** What `pack` is to do besides packing. */
export interface PrunePlan {
  readonly options: Pick<PruneOptions, 'budget' | 'method' | 'align' | 'maxDisagreement' | 'preprocess'>
  /** Path of samples that are for pruning alone. */
  readonly samples: string | undefined
  /** Path of the HTML report. */
  readonly report: string | undefined
}

/**
 * Reads the options; `undefined` where nothing is to be pruned.
 *
 * @param isPlain whether the pruned model is written without a guard, so that the samples of --calibrate are for pruning
 * @throws UsageError for values that say nothing, and for options that need --prune.
 */
export function prunePlan(args: Arguments, isPlain: boolean): PrunePlan | undefined {
  const budget = text(args, 'prune')
  if (budget === undefined) {
    const lone = Object.keys(PRUNE_OPTIONS).find((name) => args.values[name] !== undefined)
    if (lone !== undefined) throw new UsageError(`--${lone} expected --prune with a budget, got none.`)
    return undefined
  }
  const method = text(args, 'method') ?? 'default'
  if (method !== 'default' && method !== 'paper') {
    throw new UsageError(`--method expected default or paper, got "${method}".`)
  }
  return {
    options: {
      budget: parsed('prune', () => parseBudget(budget)),
      method,
      align: number(args, 'align', 'a whole number from 1 to 64', (n) => Number.isInteger(n) && n >= 1 && n <= 64),
      maxDisagreement: number(args, 'max-disagreement', 'a share from 0 to 1', (n) => n >= 0 && n <= 1),
      preprocess: preprocessArgument(args),
    },
    samples: text(args, 'prune-samples') ?? (isPlain ? text(args, 'calibrate') : undefined),
    report: text(args, 'report'),
  }
}

function number(args: Arguments, name: string, expected: string, fits: (value: number) => boolean): number | undefined {
  const value = text(args, name)
  if (value === undefined) return undefined
  if (value.trim() === '' || !fits(Number(value)))
    throw new UsageError(`--${name} expected ${expected}, got "${value}".`)
  return Number(value)
}

/**
 * Prunes a model by a plan.
 *
 * @param samples what it is pruned on where the plan has none
 */
export async function pruneAs(
  plan: PrunePlan,
  file: Uint8Array,
  { name, samples, io }: { name: string; samples: PruneOptions['samples']; io: Io },
): Promise<PruneResult> {
  const [input] = signatureOf(file).inputs
  const { preprocess } = plan.options
  return prune(file, {
    ...plan.options,
    name,
    samples: plan.samples === undefined ? samples : await openSamples(plan.samples, { input, preprocess }),
    signal: io.signal,
    onProgress: io.onProgress,
  })
}

/** Where the JSON of a report lies: beside it. */
const jsonPath = (path: string): string => path.replace(/\.html?$/i, '').concat('.json')

/** Checks, before the long work, that a report can be written. */
export async function checkReport({ report }: PrunePlan, input: string): Promise<void> {
  if (report === undefined) return
  for (const path of [report, jsonPath(report)]) await checkOutput(path, input)
}

/** Writes the report, and says what came out. */
export async function tellPruned({ report: path }: PrunePlan, report: FilePruneReport, io: Io): Promise<void> {
  for (const sentence of [...summarise(report), ...report.warnings.map((warning) => `Warning: ${warning}`)])
    io.note(sentence)
  if (path === undefined) return
  await writeWhole(path, pruneReport(report))
  await writeWhole(jsonPath(path), `${JSON.stringify(report, undefined, 1)}\n`)
  io.note(`${path}: the report; as data in ${jsonPath(path)}.`)
}
