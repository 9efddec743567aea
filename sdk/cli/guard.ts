/** `hardpack guard evaluate model.hpk --clean folder` */

import { readFile } from 'node:fs/promises'
import { node } from '../../targets/node.ts'
import type { Target } from '../../targets/types.ts'
import { wasm } from '../../targets/wasm-node.ts'
import type { Tensor } from '../core/index.ts'
import { ATTACKS, type AttackName, imagesOf, labelsOf, openVictim, runAttack, type Victim } from '../guard/attack.ts'
import { changedSamples, OUTLIERS, SHIFTS } from '../guard/changes.ts'
import { type EvaluatedSets, evaluateGuard } from '../guard/evaluate.ts'
import type { Judgement } from '../guard/judged.ts'
import { evaluationPictures } from '../guard/pictures.ts'
import { evaluationReport } from '../guard/report.ts'
import { attackedFrames } from '../guard/stream.ts'
import { open } from '../node.ts'
import { fileSource, writeWhole } from '../pack/file.ts'
import { openSamples, parsePreprocess, type SampleSet, subset, tensorSamples } from '../pack/samples/index.ts'
import type { Model } from '../run/model.ts'
import { chromiumTargets } from './chromium-target.ts'
import { type Arguments, type Command, type Io, pairs, text, UsageError } from './command.ts'
import { evaluationTable } from './evaluation-table.ts'
import { KEY_HELP, trustArgument } from './keys.ts'

export const guardCommand: Command = {
  summary: 'evaluate the guard of a package: false alarms, foreign inputs, attacks',
  usage:
    'evaluate <model.hpk> --clean samples [--ood name=samples] [--outliers] [--attack pgd,cw] [--shift] [--stream K] [--report out.html]',
  help: [
    '--clean PATH        clean samples that the guard has not seen: a folder of pictures, .npy or IDX',
    '--ood NAME=PATH     samples from elsewhere; give it for each set',
    '--outliers          sets that are made of the clean samples: uniform noise, inverted, rotated',
    `--attack LIST       attacks on the model: ${ATTACKS.join(', ')}`,
    '--epsilon E         the largest change of a pixel, in units of the input; default 0.03 of its range',
    '--attacked N        how many clean samples are attacked; default 200',
    '--gradient FILE     an ONNX graph of the gradient, for models that hardpack has no rules for',
    '--shift             false alarms under harmless changes: brightness, blur, noise, …',
    '--stream K          the attacker changes K of the attacked samples, chosen online by Virtual+',
    '--preprocess WORDS  how pictures become inputs, as in pack',
    '--target NAME       node (default), wasm or webgpu, which runs in headless Chromium',
    '--limit N           at most so many samples of each set',
    '--report FILE       write an HTML report',
    KEY_HELP,
  ],
  options: {
    clean: { type: 'string' },
    ood: { type: 'string', multiple: true },
    outliers: { type: 'boolean' },
    attack: { type: 'string' },
    epsilon: { type: 'string' },
    attacked: { type: 'string' },
    gradient: { type: 'string' },
    shift: { type: 'boolean' },
    stream: { type: 'string' },
    preprocess: { type: 'string' },
    target: { type: 'string' },
    limit: { type: 'string' },
    report: { type: 'string' },
    key: { type: 'string' },
  },
  async run(args, io) {
    const [verb, path, ...rest] = args.positionals
    if (verb !== 'evaluate' || path === undefined || rest.length > 0) {
      throw new UsageError(`expected "evaluate" and one package, got "${args.positionals.join(' ')}".`)
    }
    const attacks = attackNames(text(args, 'attack'))
    const cleanPath = text(args, 'clean')
    if (cleanPath === undefined) throw new UsageError('expected --clean with samples, got none.')
    const { targets, close } = await targetNamed(text(args, 'target') ?? 'node')
    const source = await fileSource(path)
    try {
      const trust = await trustArgument(args)
      const model = await open(source, { targets, ...trust, signal: io.signal, onProgress: io.onProgress })
      try {
        const preprocess = text(args, 'preprocess')
        const [input] = model.inputs
        const options = {
          input,
          preprocess: preprocess === undefined ? undefined : parsePreprocess(preprocess),
          limit: number(args, 'limit'),
        }
        const clean = await openSamples(cleanPath, options)
        const ood: Record<string, SampleSet> = {}
        for (const [name, from] of pairs(args, 'ood')) ood[name] = await openSamples(from, options)
        if (args.values.outliers) for (const change of OUTLIERS) ood[change.name] = changedSamples(clean, change)
        const attacked: Record<string, SampleSet> = {}
        if (attacks.length > 0) {
          const gradient = text(args, 'gradient')
          const victim = await openVictim(source, {
            ...trust,
            samples: clean,
            gradient: gradient === undefined ? undefined : new Uint8Array(await readFile(gradient)),
            signal: io.signal,
          })
          try {
            Object.assign(attacked, await attackedSets(attacks, victim, model, clean, args, io))
          } finally {
            await victim.close()
          }
        }
        const sets: EvaluatedSets = { clean, ood, attacked, shifts: args.values.shift ? SHIFTS : [] }
        return await report(model, sets, args, io)
      } finally {
        await model.close()
      }
    } finally {
      await source.close()
      await close()
    }
  },
}

async function report(model: Model, sets: EvaluatedSets, args: Arguments, io: Io): Promise<number> {
  const { name, guard, target } = model.report()
  const evaluation = await evaluateGuard(judgeOf(model), sets, {
    subject: `${name} on ${target}`,
    calibrated: guard?.samples,
    batch: typeof model.inputs[0].shape[0] === 'number' ? model.inputs[0].shape[0] : undefined,
    signal: io.signal,
    onProgress: io.onProgress,
  })
  if (io.json) io.out(JSON.stringify(evaluation))
  else io.out(evaluationTable(evaluation))
  const file = text(args, 'report')
  if (file !== undefined) {
    const page = evaluationReport(evaluation, await evaluationPictures(evaluation, sets, { signal: io.signal }))
    await writeWhole(file, new TextEncoder().encode(page))
    io.note(`Report: ${file}`)
  }
  return 0
}

/** What the guard says of a batch. */
function judgeOf(model: Model): (batch: Tensor) => Promise<readonly Judgement[]> {
  const [input] = model.inputs
  return async (batch) => {
    const { verdicts } = await model.run({ [input.name]: batch })
    if (!verdicts)
      throw new UsageError('expected a package with a guard, got one without. Pack the model with --calibrate.')
    return verdicts
  }
}

/** The samples on which each attack succeeded. */
async function attackedSets(
  attacks: readonly AttackName[],
  victim: Victim,
  model: Model,
  clean: SampleSet,
  args: Arguments,
  io: Io,
): Promise<Record<string, SampleSet>> {
  const { withoutGradient, range, shape, detector } = victim
  if (withoutGradient) io.note(`Attacks have no gradient: ${withoutGradient}`)
  const count = Math.min(number(args, 'attacked') ?? 200, clean.count)
  const some = subset(
    clean,
    Array.from({ length: count }, (_, i) => i),
  )
  const images = await imagesOf(some, victim)
  const labels = await labelsOf(some, victim, images)
  const epsilon = number(args, 'epsilon') ?? 0.03 * (range.max - range.min)
  const threshold = await thresholdOf(model, clean, detector)
  const stream = number(args, 'stream')
  const sets: Record<string, SampleSet> = {}
  for (const name of attacks) {
    const result = await runAttack(name, victim, images, labels, {
      epsilon,
      threshold,
      signal: io.signal,
      onProgress: io.onProgress,
    })
    const all: Tensor = { dtype: 'float32', shape: [count, ...shape], data: result.adversarial.data }
    const successes = Array.from(result.success.keys()).filter((i) => result.success[i])
    io.note(`${name}: led the model astray on ${successes.length} of ${count} samples.`)
    const made = tensorSamples(name, all, clean.format)
    if (successes.length > 0) sets[name] = subset(made, successes)
    if (stream === undefined) continue
    const frames = attackedFrames(result, labels, Math.min(stream, count))
    if (frames.length > 0) sets[`${name}, ${frames.length} of ${count} frames online`] = subset(made, frames)
  }
  return sets
}

/** The score from which on a detector flags. */
async function thresholdOf(model: Model, clean: SampleSet, detector: string): Promise<number> {
  const [input] = model.inputs
  const { verdict } = await model.run({ [input.name]: await clean.batch([0]) })
  return verdict?.reasons.find((reason) => reason.detector === detector)?.threshold ?? Number.POSITIVE_INFINITY
}

function attackNames(list: string | undefined): AttackName[] {
  if (list === undefined) return []
  return list.split(',').map((name) => {
    const known = ATTACKS.find((other) => other === name.trim())
    if (!known) throw new UsageError(`--attack expected some of ${ATTACKS.join(', ')}, got "${name}".`)
    return known
  })
}

function number(args: Arguments, name: string): number | undefined {
  const value = text(args, name)
  if (value === undefined) return undefined
  const parsed = Number(value)
  if (value.trim() === '' || !(parsed > 0))
    throw new UsageError(`--${name} expected a positive number, got "${value}".`)
  return parsed
}

/** Targets of a name, and what ends them. */
async function targetNamed(name: string): Promise<{ targets: readonly Target[]; close(): Promise<void> }> {
  const nothing = async (): Promise<void> => {}
  if (name === 'node') return { targets: [node()], close: nothing }
  if (name === 'wasm') return { targets: [wasm()], close: nothing }
  if (name === 'webgpu') return chromiumTargets(['webgpu'])
  throw new UsageError(`--target expected node, wasm or webgpu, got "${name}".`)
}
