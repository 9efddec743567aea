/** `hardpack run model.hpk --input name=file` */

import { node } from '../../targets/node.ts'
import { wasm } from '../../targets/wasm-node.ts'
import type { Tensor } from '../core/index.ts'
import { open } from '../node.ts'
import { fileSource } from '../pack/file.ts'
import { elementAt } from '../run/golden.ts'
import type { Verdict } from '../run/guard/verdict.ts'
import { BASE_HELP, BASE_OPTION, withBase } from './base.ts'
import { type Command, onlyFile, pairs, text, UsageError } from './command.ts'
import { KEY_HELP, trustArgument } from './keys.ts'
import { readTensors } from './tensor-file.ts'

const TARGETS = { node, wasm }

export const runCommand: Command = {
  summary: 'open a package, test it on this machine, and run it',
  usage: '<model.hpk> [--input name=file] [--target node|wasm] [--key public-key] [--base base.hpk]',
  help: [
    '--input NAME=FILE   an input: .npy, .json or raw bytes; without any, the golden inputs are run',
    '--target NAME       node (default) or wasm',
    KEY_HELP,
    BASE_HELP,
  ],
  options: {
    input: { type: 'string', multiple: true },
    target: { type: 'string' },
    key: { type: 'string' },
    ...BASE_OPTION,
  },
  async run(args, io) {
    const path = onlyFile(args, 'package')
    const name = text(args, 'target') ?? 'node'
    if (!Object.hasOwn(TARGETS, name)) throw new UsageError(`--target expected node or wasm, got "${name}".`)
    const given = pairs(args, 'input')
    const trust = await trustArgument(args)
    const source = await fileSource(path)
    const targets = [TARGETS[name as keyof typeof TARGETS]()]
    const model = await withBase(args, (base) =>
      open(source, { targets, ...trust, base, signal: io.signal, onProgress: io.onProgress }),
    ).finally(() => source.close())
    try {
      const inputs = await readTensors(given, model.inputs)
      if (given.length === 0) io.note('No --input was given: running the golden inputs.')
      const { outputs, verdict, verdicts } = await model.run(given.length === 0 ? model.exampleInputs() : inputs, {
        signal: io.signal,
      })
      const { target, optimization, selfTest } = model.report()
      if (io.json) {
        const plain = Object.fromEntries(
          Object.entries(outputs).map(([output, tensor]) => [output, plainTensor(tensor)]),
        )
        const judged = verdict && verdicts && { verdict: plainVerdict(verdict), verdicts: verdicts.map(plainVerdict) }
        io.out(JSON.stringify({ target, optimization, selfTest, outputs: plain, ...judged }))
      } else {
        for (const [output, tensor] of Object.entries(outputs)) io.out(summary(output, tensor))
        for (const [row, one] of (verdicts ?? []).entries()) {
          io.out(verdictLine(verdicts?.length === 1 ? 'verdict' : `verdict ${row}`, one))
        }
        if (verdict?.withheld) io.note('The guard withholds the outputs.')
        io.note(
          `Ran on ${target} (${optimization}); self-test within ${selfTest.maxAbsDiff.toPrecision(2)}, tolerance ${selfTest.tolerance.toPrecision(2)}.`,
        )
      }
      return 0
    } finally {
      await model.close()
    }
  },
}

const plainNumber = (value: number): number | string => (Number.isFinite(value) ? value : String(value))

function plainVerdict({ p, reasons, ...verdict }: Verdict) {
  const plain = reasons.map(({ detector, ...numbers }) => ({
    detector,
    ...Object.fromEntries(Object.entries(numbers).map(([name, value]) => [name, plainNumber(value)])),
  }))
  return { ...verdict, p: plainNumber(p), reasons: plain }
}

/** `verdict: flag, p 0.032 (α 0.05); mahalanobis 41.2, threshold 38.0` */
function verdictLine(title: string, { action, p, alpha, reasons, degraded }: Verdict): string {
  const [first] = reasons
  const why = first
    ? `; ${first.detector} ${first.score.toPrecision(3)}, threshold ${first.threshold.toPrecision(3)}`
    : ''
  const said = Number.isNaN(p) ? action : `${action}, p ${p.toPrecision(2)} (α ${alpha})${why}`
  return `${title}: ${said}${degraded === undefined ? '' : `; ${degraded}`}`
}

/** JSON has no NaN, no Infinity and no integer beyond 2^53: they become strings, never null or another number. */
function plainTensor(tensor: Tensor): { dtype: string; shape: readonly number[]; data: (number | string)[] } {
  const data = Array.from({ length: tensor.data.length }, (_, i) => {
    const number = elementAt(tensor, i)
    const isExact = typeof tensor.data[i] === 'bigint' ? Number.isSafeInteger(number) : Number.isFinite(number)
    return isExact ? number : String(typeof tensor.data[i] === 'bigint' ? tensor.data[i] : number)
  })
  return { dtype: tensor.dtype, shape: tensor.shape, data }
}

const SHOWN = 10

function summary(name: string, tensor: Tensor): string {
  const isReal = tensor.dtype.includes('float')
  const shown = Array.from({ length: Math.min(SHOWN, tensor.data.length) }, (_, i) =>
    isReal ? Number(elementAt(tensor, i).toPrecision(5)) : tensor.data[i],
  )
  const more = tensor.data.length > SHOWN ? ', …' : ''
  return `${name} ${tensor.dtype}[${tensor.shape.join(',')}]: ${shown.join(', ')}${more}`
}
