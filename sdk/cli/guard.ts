/** `hardpack guard evaluate model.hpk --clean folder`: opens the package, judges batches with it, and attacks it. */

import { node } from '../../targets/node.ts'
import type { Target } from '../../targets/types.ts'
import { wasm } from '../../targets/wasm-node.ts'
import { type CallOptions, HardpackError, type Source, shuffled, type Tensor } from '../core/index.ts'
import { imagesOf, labelsOf, openVictim, runAttack, type Victim } from '../guard/attack.ts'
import type { Judge } from '../guard/judged.ts'
import { attackedFrames } from '../guard/stream.ts'
import { open } from '../node.ts'
import { fileSource, readWhole } from '../pack/file.ts'
import { type SampleSet, subset, tensorSamples } from '../pack/samples/index.ts'
import type { Guard } from '../run/guard/guard.ts'
import type { Model } from '../run/model.ts'
import { filled, rowsOf } from '../run/rows.ts'
import { chromiumTargets } from './chromium-target.ts'
import { type Command, type Io, UsageError } from './command.ts'
import {
  type Attacked,
  type AttackPlan,
  EVALUATE_HELP,
  EVALUATE_OPTIONS,
  EVALUATE_USAGE,
  type EvaluatePlan,
  evaluateFiles,
  evaluatePlan,
  type GuardedModel,
} from './guard-evaluate.ts'
import { KEY_HELP, trustArgument } from './keys.ts'

export const guardCommand: Command = {
  summary: 'evaluate the guard of a package: false alarms, foreign inputs, attacks',
  usage: EVALUATE_USAGE,
  help: [...EVALUATE_HELP, KEY_HELP],
  options: { ...EVALUATE_OPTIONS, key: { type: 'string' } },
  async run(args, io) {
    const [verb, path, ...rest] = args.positionals
    if (verb !== 'evaluate' || path === undefined || rest.length > 0) {
      throw new UsageError(`expected "evaluate" and one package, got "${args.positionals.join(' ')}".`)
    }
    const plan = evaluatePlan(args)
    const trust = await trustArgument(args)
    const source = await fileSource(path)
    try {
      await withTarget(plan.target, async (target) => {
        const options = { targets: [target], ...trust, signal: io.signal, onProgress: io.onProgress }
        const model = await open(source, options)
        try {
          await evaluateFiles(plan, guarded(model, source, trust, io), io)
        } finally {
          await model.close()
        }
      })
      return 0
    } finally {
      await source.close()
    }
  },
}

async function withTarget(name: EvaluatePlan['target'], use: (target: Target) => Promise<void>): Promise<void> {
  if (name !== 'webgpu') return use(name === 'node' ? node() : wasm())
  const { targets, close } = await chromiumTargets(['webgpu'])
  await use(targets[0]).finally(close)
}

type Trust = Awaited<ReturnType<typeof trustArgument>>

function guarded(model: Model, source: Source, trust: Trust, io: Io): GuardedModel {
  const { guard } = model
  if (!guard) {
    throw new HardpackError('INVALID_ARGUMENT', 'An evaluation expected a package with a guard, got one without.', {
      hint: 'Pack the model with --calibrate.',
    })
  }
  const { name, target } = model.report()
  const judge = judgeOf(model)
  return {
    name: `${name} on ${target}`,
    input: model.inputs[0],
    calibrated: guard.report().samples,
    judge,
    async attack(plan, clean, call) {
      const gradient = plan.gradient === undefined ? undefined : await readWhole(plan.gradient)
      const victim = await openVictim(source, { ...trust, samples: clean, gradient, ...call })
      try {
        if (victim.withoutGradient !== undefined) io.note(`Attacks have no gradient: ${victim.withoutGradient}`)
        return await attackAll(plan, victim, guard, clean, call)
      } finally {
        await victim.close()
      }
    },
  }
}

/** What the guard says of a batch; a model of a fixed batch gets it in pieces. */
function judgeOf(model: Model): Judge {
  const [{ name, shape }] = model.inputs
  const fixed = typeof shape[0] === 'number' ? shape[0] : undefined
  return async (batch) => {
    const [count] = batch.shape
    const size = fixed ?? count
    const verdicts = []
    for (let start = 0; start < count; start += size) {
      const rows = Array.from({ length: Math.min(size, count - start) }, (_, i) => start + i)
      const taken = fixed === undefined ? batch : rowsOf(batch, filled(rows, fixed))
      const run = await model.run({ [name]: taken })
      verdicts.push(...(run.verdicts ?? []).slice(0, rows.length))
    }
    return verdicts
  }
}

async function attackAll(
  { names, epsilon, count: wanted, stream, seed }: AttackPlan,
  victim: Victim,
  guard: Guard,
  clean: SampleSet,
  call: CallOptions,
): Promise<Attacked[]> {
  const { range, shape, detector } = victim
  const chosen = shuffled(clean.count, seed).slice(0, wanted)
  const some = subset(
    clean,
    chosen.sort((a, b) => a - b),
  )
  const images = await imagesOf(some, victim)
  const labels = await labelsOf(some, victim, images)
  const limit = epsilon ?? 0.03 * (range.max - range.min)
  const threshold = guard.threshold(detector)
  const results: Attacked[] = []
  for (const name of names) {
    const result = await runAttack(name, victim, images, labels, { epsilon: limit, threshold, seed, ...call })
    const all: Tensor = { dtype: 'float32', shape: [some.count, ...shape], data: result.adversarial.data }
    const made = tensorSamples(name, all, clean.format)
    const successes = Array.from(result.success.keys()).filter((i) => result.success[i])
    const sets: Record<string, SampleSet> = {}
    if (successes.length > 0) sets[name] = subset(made, successes)
    const frames = stream === undefined ? [] : attackedFrames(result, labels, Math.min(stream, some.count))
    if (frames.length > 0) sets[`${name}, ${frames.length} of ${some.count} frames online`] = subset(made, frames)
    const aim = name === 'adaptive' ? `led the model astray unseen by ${detector}` : 'led the model astray'
    results.push({ outcome: { name, aim, count: successes.length, of: some.count }, sets })
  }
  return results
}
