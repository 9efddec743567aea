/** The options of `hardpack pack` that make a guard. */

import { node } from '../../targets/node.ts'
import type { Target } from '../../targets/types.ts'
import { wasm } from '../../targets/wasm-node.ts'
import { MAX_ROOM, WITHHOLDING } from '../container/validate-guard.ts'
import { signatureOf } from '../onnx/index.ts'
import { readWhole } from '../pack/file.ts'
import { DEFAULT_DETECTORS, parseChoices } from '../pack/guard/choice.ts'
import type { GuardOptions } from '../pack/guard/make.ts'
import { openSamples, split, valueRange } from '../pack/samples/index.ts'
import { chromiumTargets } from './chromium-target.ts'
import { type Arguments, parsed, preprocessArgument, text, UsageError } from './command.ts'

export const GUARD_HELP: readonly string[] = [
  '--calibrate PATH      clean samples: a folder of pictures (sub-folders are classes), .npy or IDX; gives the package a guard',
  '--fit PATH            other clean samples to fit on; default: half of those of --calibrate',
  '--guard LIST          detectors, such as max-softmax,mahalanobis (default), energy, hyp-oc, feature-squeezing, second-opinion, beyond',
  '--second FILE         the ONNX model of second-opinion',
  '--encoder FILE        the self-supervised ONNX encoder of beyond',
  '--paper               beyond as in the paper: 50 strong neighbours, not 16 mild ones',
  '--preprocess WORDS    how pictures become inputs: "range=0..1 mean=0.485,… std=0.229,… order=bgr fit=center-crop"',
  '--flag RATE           the rate of clean inputs that may be flagged; default 0.05',
  '--reject RATE         the rate of clean inputs that may be rejected; default 0.01',
  '--confidence SHARE    keep these rates in this share of calibration sets; default: on average',
  '--withhold ACTION     withhold outputs from this action on: never, indeterminate (default), reject or flag',
  '--band LOW,HIGH       run costly detectors only where the p-value of the others lies in this band; default: always',
  '--logits VALUE        the value with one number a class; default: before the softmax of the first output that fits',
  '--taps LIST           values whose features detectors look at; default: one a stage, and the last',
  '--rank N              directions that Mahalanobis keeps; default all of at most 256 features, else 64',
  '--room N              how many classes a device may add; default 0',
  '--targets LIST        targets that the guard is calibrated on; default node,wasm; webgpu runs in headless Chromium',
]

export const GUARD_OPTIONS = {
  calibrate: { type: 'string' },
  fit: { type: 'string' },
  guard: { type: 'string' },
  second: { type: 'string' },
  encoder: { type: 'string' },
  paper: { type: 'boolean' },
  preprocess: { type: 'string' },
  flag: { type: 'string' },
  reject: { type: 'string' },
  confidence: { type: 'string' },
  withhold: { type: 'string' },
  band: { type: 'string' },
  logits: { type: 'string' },
  taps: { type: 'string' },
  rank: { type: 'string' },
  room: { type: 'string' },
  targets: { type: 'string' },
} as const

/** How pictures are prepared matters to pruning, too. */
const SHARED_WITH_PRUNING: readonly string[] = ['preprocess']

/** Options that only a package can follow: without a guard in it they say nothing. */
export const PACKAGE_ONLY: readonly string[] = Object.keys(GUARD_OPTIONS).filter(
  (name) => !['calibrate', ...SHARED_WITH_PRUNING].includes(name),
)

/**
 * The guard that the arguments ask for; `undefined` where they ask for none.
 *
 * @throws UsageError for options that do not go together; HardpackError for samples and files that cannot be read.
 */
export async function guardOptions(args: Arguments, model: Uint8Array): Promise<GuardOptions | undefined> {
  const path = text(args, 'calibrate')
  if (path === undefined) {
    const shared = text(args, 'prune') === undefined ? [] : SHARED_WITH_PRUNING
    const lone = Object.keys(GUARD_OPTIONS).find((name) => args.values[name] !== undefined && !shared.includes(name))
    if (lone !== undefined) throw new UsageError(`--${lone} expected --calibrate with clean samples, got none.`)
    return undefined
  }
  const [input] = signatureOf(model).inputs
  checkRanges(args)
  const options = { input, preprocess: preprocessArgument(args) }
  const clean = await openSamples(path, options)
  const fitPath = text(args, 'fit')
  const [fit, calibrate] =
    fitPath === undefined ? split(clean, [0.5, 0.5]) : [await openSamples(fitPath, options), clean]
  const [second, encoder] = await Promise.all(
    ['second', 'encoder'].map(async (name) => {
      const file = text(args, name)
      return file === undefined ? undefined : readWhole(file)
    }),
  )
  const list = text(args, 'guard') ?? DEFAULT_DETECTORS.map(({ kind }) => kind).join(',')
  const range = clean.format && valueRange(clean.format)
  const extras = {
    second,
    encoder,
    preset: args.values.paper ? ('paper' as const) : undefined,
    rank: number(args, 'rank'),
    range: range && ([range.min, range.max] as const),
  }
  const band = numbers(args, 'band')
  const taps = text(args, 'taps')?.split(',')
  const given = Object.entries({
    flag: number(args, 'flag'),
    reject: number(args, 'reject'),
    confidence: number(args, 'confidence'),
    withhold: text(args, 'withhold'),
  })
  return {
    fit,
    calibrate,
    detectors: parsed('guard', () => parseChoices(list, extras)),
    logits: text(args, 'logits'),
    taps,
    policy: Object.fromEntries(given.filter(([, value]) => value !== undefined)),
    room: number(args, 'room'),
    band: band as [number, number] | undefined,
  }
}

/** What can be said of an option by itself is said before anything is read. */
function checkRanges(args: Arguments): void {
  const check = (name: string, expected: string, fits: (value: number) => boolean): void => {
    const list = numbers(args, name)
    if (list === undefined || (list.length === 1 && fits(list[0]))) return
    throw new UsageError(`--${name} expected ${expected}, got "${text(args, name)}".`)
  }
  const isRate = (value: number): boolean => value > 0 && value < 1
  check('flag', 'a rate between 0 and 1', isRate)
  check('reject', 'a rate between 0 and 1', isRate)
  check('confidence', 'a share between 0 and 1', isRate)
  check('rank', 'an integer from 1 to 256', (value) => Number.isInteger(value) && value >= 1 && value <= 256)
  check(
    'room',
    `an integer from 0 to ${MAX_ROOM}`,
    (value) => Number.isInteger(value) && value >= 0 && value <= MAX_ROOM,
  )
  const withhold = text(args, 'withhold')
  if (withhold !== undefined && !(WITHHOLDING as readonly string[]).includes(withhold)) {
    throw new UsageError(`--withhold expected ${WITHHOLDING.join(', ')}, got "${withhold}".`)
  }
  const [low, high] = numbers(args, 'band') ?? [0, 1]
  if ((numbers(args, 'band')?.length ?? 2) !== 2 || !(low >= 0 && low < high && high <= 1)) {
    throw new UsageError(`--band expected two p-values such as 0.01,0.5, got "${text(args, 'band')}".`)
  }
}

/** Targets to calibrate on, and what ends them. */
export interface CalibrationTargets {
  readonly targets: readonly Target[] | undefined
  close(): Promise<void>
}

/** The targets that --targets names; `undefined` where it is not given. */
export async function calibrationTargets(args: Arguments): Promise<CalibrationTargets> {
  const list = text(args, 'targets')?.split(',')
  const unknown = list?.find((name) => !['node', 'wasm', 'webgpu'].includes(name))
  if (unknown !== undefined) throw new UsageError(`--targets expected some of node, wasm, webgpu, got "${unknown}".`)
  const browser = list?.includes('webgpu') ? await chromiumTargets(['webgpu']) : undefined
  const all = [node({ threads: 1 }), wasm(), ...(browser?.targets ?? [])]
  return { targets: list && all.filter(({ name }) => list.includes(name)), close: async () => browser?.close() }
}

function number(args: Arguments, name: string): number | undefined {
  return numbers(args, name)?.[0]
}

function numbers(args: Arguments, name: string): number[] | undefined {
  const value = text(args, name)
  if (value === undefined) return undefined
  const list = value.split(',').map(Number)
  if (value.trim() === '' || !list.every(Number.isFinite)) {
    throw new UsageError(`--${name} expected a number, got "${value}".`)
  }
  return list
}
