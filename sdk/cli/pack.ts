/** `hardpack pack model.onnx -o model.hpk` */

import { basename } from 'node:path'
import { EFFORTS, type Effort } from '../../compress/index.ts'
import { bytesSource } from '../core/index.ts'
import { inlineExternalData, locateWeights, signatureOf } from '../onnx/index.ts'
import { checkOutput, readWhole, writeWhole } from '../pack/file.ts'
import { type Inspection, inspect } from '../pack/inspect.ts'
import { type PackOptions, pack } from '../pack/pack.ts'
import { BASE_OPTION, withBase } from './base.ts'
import { type Arguments, type Command, count, onlyFile, pairs, text, UsageError } from './command.ts'
import { calibrationTargets, GUARD_HELP, GUARD_OPTIONS, guardOptions, PACKAGE_ONLY } from './guard-options.ts'
import { secretKeyFile } from './keys.ts'
import { checkReport, PRUNE_HELP, PRUNE_OPTIONS, pruneAs, prunePlan, tellPruned } from './prune-options.ts'
import { readTensors } from './tensor-file.ts'

export const packCommand: Command = {
  summary: 'compress an ONNX model into one verified package',
  usage:
    '<model.onnx> [-o model.hpk] [--effort best] [--prune flops=0.5] [--base old.hpk] [--key secret-key-file] [--golden input=file] [--shape input=1,3,224,224]',
  help: [
    '-o, --output FILE     where to write; default: the model with .hpk; with --prune, FILE.onnx is the pruned model alone',
    '--effort EFFORT       how long to search for a smaller encoding: fast, default or best',
    '--key FILE            sign with this secret key (hardpack keygen); without it the package is unsigned',
    '--base FILE           pack the difference to this package, which everybody who opens the new one must have',
    '--golden INPUT=FILE   a golden input: .npy, .json or raw bytes; give one for each input of the model',
    '--shape INPUT=DIMS    the shape of a seeded golden input whose dimensions are open',
    '--name NAME           what the package calls itself; default: the file name',
    '--release N           counts up with each published version; default 1',
    '--license SPDX        the licence of the weights',
    ...PRUNE_HELP,
    ...GUARD_HELP,
  ],
  options: {
    output: { type: 'string', short: 'o' },
    effort: { type: 'string' },
    key: { type: 'string' },
    ...BASE_OPTION,
    golden: { type: 'string', multiple: true },
    shape: { type: 'string', multiple: true },
    name: { type: 'string' },
    release: { type: 'string' },
    license: { type: 'string' },
    ...PRUNE_OPTIONS,
    ...GUARD_OPTIONS,
  },
  async run(args, io) {
    const path = onlyFile(args, 'ONNX file')
    const output = text(args, 'output') ?? path.replace(/\.onnx$/i, '').concat('.hpk')
    const release = parseRelease(text(args, 'release'))
    const effort = parseEffort(text(args, 'effort'))
    const shapes = Object.fromEntries(pairs(args, 'shape').map(([name, dims]) => [name, parseShape(name, dims)]))
    const golden = pairs(args, 'golden')
    const isPlain = text(args, 'prune') !== undefined && /\.onnx$/i.test(output)
    const plan = prunePlan(args, isPlain)
    if (isPlain) checkPlain(args)
    const keyFile = text(args, 'key')
    const secretKeys = keyFile === undefined ? [] : [await secretKeyFile(keyFile)]
    const read = await readWhole(path)
    await checkOutput(output, path)
    const basePath = text(args, 'base')
    if (basePath !== undefined) await checkOutput(output, basePath)
    if (plan) await checkReport(plan, path)
    locateWeights(read) // Refuses what is no ONNX file before anything else looks at it.
    const original = await inlineExternalData(read, path)
    const guard = isPlain ? undefined : await guardOptions(args, original)
    const name = text(args, 'name') ?? basename(path).replace(/\.onnx$/i, '')
    const pruned = plan && (await pruneAs(plan, original, { name, io, samples: guard?.fit }))
    const model = pruned?.file ?? original
    if (pruned && isPlain) {
      await writeWhole(output, model)
      if (io.json) io.out(JSON.stringify({ output, prune: pruned.report }))
      else io.out(`${output}: ${count(original.length)} → ${count(model.length)} bytes of ONNX`)
      await tellPruned(plan, pruned.report, io)
      return 0
    }
    const options: PackOptions = {
      name,
      release,
      effort,
      license: text(args, 'license'),
      shapes,
      golden: golden.length > 0 ? [await readTensors(golden, signatureOf(model).inputs)] : undefined,
      secretKeys,
      signal: io.signal,
      onProgress: io.onProgress,
    }
    const calibration = await calibrationTargets(args)
    const guarded = guard && { ...guard, targets: calibration.targets }
    const { bytes, agreement, encodeMs } = await withBase(args, (base) =>
      pack(model, { ...options, base, guard: guarded }),
    ).finally(() => calibration.close())
    await writeWhole(output, bytes)
    const description = await inspect(bytesSource(bytes), { trust: 'unsigned' })
    if (io.json) {
      io.out(JSON.stringify({ output, ...description, agreement, effort, encodeMs, prune: pruned?.report }))
    } else {
      io.out(`${output}: ${total(description)}, encoded in ${(encodeMs / 1000).toFixed(1)} s, effort ${effort}`)
    }
    if (pruned) await tellPruned(plan, pruned.report, io)
    io.note(
      `Reference outputs: ${agreement.reference} and ${agreement.second} agree, largest difference ${agreement.maxAbsDiff.toPrecision(2)} (tolerance ${agreement.tolerance.toPrecision(2)}).`,
    )
    if (description.base) {
      io.note(`Opening it takes its base as well: "${description.base.name}" release ${description.base.release}.`)
    } else if (basePath !== undefined) io.note('Nothing is smaller with the base: the package stands alone.')
    if (secretKeys.length === 0)
      io.note(
        'Unsigned: anyone can change this file and fix its digests. Sign it with --key (hardpack keygen makes one).',
      )
    return 0
  },
}

/** Options that only a package can follow. */
function checkPlain(args: Arguments): void {
  const lone = ['effort', 'key', 'base', 'golden', 'shape', 'release', 'license', ...PACKAGE_ONLY].find(
    (name) => args.values[name] !== undefined,
  )
  if (lone !== undefined) throw new UsageError(`--${lone} expected a package to write, got -o with an ONNX file.`)
}

/** The package in one line: `1,094,689 → 896,576 bytes, 1.22×, 26.57 bits a weight`. */
function total({ bytes, weights }: Inspection): string {
  const ratio = `${count(bytes.raw)} → ${count(bytes.packed)} bytes, ${(bytes.raw / bytes.packed).toFixed(2)}×`
  return weights.elements > 0 ? `${ratio}, ${weights.bitsPerWeight.toFixed(2)} bits a weight` : ratio
}

function parseEffort(value = 'default'): Effort {
  const effort = EFFORTS.find((name) => name === value)
  if (!effort) throw new UsageError(`--effort expected fast, default or best, got "${value}".`)
  return effort
}

function parseRelease(value: string | undefined): number | undefined {
  if (value === undefined) return undefined
  if (!/^\d{1,9}$/.test(value)) throw new UsageError(`--release expected a whole number, got "${value}".`)
  return Number(value)
}

function parseShape(name: string, dims: string): number[] {
  if (!/^\d+(,\d+)*$/.test(dims))
    throw new UsageError(`--shape ${name} expected numbers such as 1,3,224,224, got "${dims}".`)
  return dims.split(',').map(Number)
}
