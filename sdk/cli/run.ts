/** `hardpack run model.hpk --input name=file` */

import { node } from '../../targets/node.ts'
import { wasm } from '../../targets/wasm-node.ts'
import { HardpackError, type Tensor } from '../core/index.ts'
import { open } from '../open/open.ts'
import { fileSource } from '../pack/file.ts'
import { elementAt } from '../run/golden.ts'
import { type Command, onlyFile, pairs, text, UsageError } from './command.ts'
import { publicKeyArgument } from './keys.ts'
import { readTensor } from './tensor-file.ts'

const TARGETS = { node, wasm }

export const runCommand: Command = {
  summary: 'open a package, test it on this machine, and run it',
  usage: '<model.hpk> [--input name=file] [--target node|wasm] [--key public-key]',
  help: [
    '--input NAME=FILE   an input: .npy, .json or raw bytes; without any, the golden inputs are run',
    '--target NAME       node (default) or wasm',
    '--key KEY           a public key, or a file with one, that must have signed the package',
  ],
  options: { input: { type: 'string', multiple: true }, target: { type: 'string' }, key: { type: 'string' } },
  async run(args, io) {
    const path = onlyFile(args, 'package')
    const name = text(args, 'target') ?? 'node'
    if (!Object.hasOwn(TARGETS, name)) throw new UsageError(`--target expected node or wasm, got "${name}".`)
    const key = text(args, 'key')
    const trust = key === undefined ? ({ trust: 'unsigned' } as const) : { trustedKeys: [await publicKeyArgument(key)] }
    const source = await fileSource(path)
    const targets = [TARGETS[name as keyof typeof TARGETS]()]
    const model = await open(source, { targets, ...trust, signal: io.signal, onProgress: io.onProgress }).finally(() =>
      source.close(),
    )
    try {
      const given = pairs(args, 'input')
      const inputs: Record<string, Tensor> = {}
      for (const [input, file] of given) {
        const entry = model.inputs.find((value) => value.name === input)
        if (!entry)
          throw new HardpackError(
            'INVALID_INPUT',
            `The model expected ${model.inputs.map((i) => i.name).join(', ')}, got an input "${input}".`,
          )
        inputs[input] = await readTensor(file, entry)
      }
      if (given.length === 0) io.note('No --input was given: running the golden inputs.')
      const { outputs } = await model.run(given.length === 0 ? model.exampleInputs() : inputs, { signal: io.signal })
      const { target, optimization, selfTest } = model.report()
      if (io.json) {
        const plain = Object.fromEntries(
          Object.entries(outputs).map(([output, tensor]) => [output, plainTensor(tensor)]),
        )
        io.out(JSON.stringify({ target, optimization, selfTest, outputs: plain }))
      } else {
        for (const [output, tensor] of Object.entries(outputs)) io.out(summary(output, tensor))
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

/** JSON has no NaN and no Infinity: they become strings, never null. */
function plainTensor(tensor: Tensor): { dtype: string; shape: readonly number[]; data: (number | string)[] } {
  const data = Array.from({ length: tensor.data.length }, (_, i) => elementAt(tensor, i)).map((x) =>
    Number.isFinite(x) ? x : String(x),
  )
  return { dtype: tensor.dtype, shape: tensor.shape, data }
}

const SHOWN = 10

function summary(name: string, tensor: Tensor): string {
  const shown = Array.from({ length: Math.min(SHOWN, tensor.data.length) }, (_, i) =>
    Number(elementAt(tensor, i).toPrecision(5)),
  )
  const more = tensor.data.length > SHOWN ? ', …' : ''
  return `${name} ${tensor.dtype}[${tensor.shape.join(',')}]: ${shown.join(', ')}${more}`
}
