/** `hardpack unpack model.hpk -o model.onnx` */

import { checkOutput, fileSource, writeWhole } from '../pack/file.ts'
import { unpack } from '../pack/verify.ts'
import { BASE_HELP, BASE_OPTION, withBase } from './base.ts'
import { type Command, count, onlyFile, required } from './command.ts'
import { KEY_HELP, trustArgument } from './keys.ts'

export const unpackCommand: Command = {
  summary: 'write the ONNX file back, byte for byte; refuses what verify refuses',
  usage: '<model.hpk> -o model.onnx [--key public-key] [--base base.hpk]',
  help: ['-o, --output FILE   where to write', KEY_HELP, BASE_HELP],
  options: { output: { type: 'string', short: 'o' }, key: { type: 'string' }, ...BASE_OPTION },
  async run(args, io) {
    const path = onlyFile(args, 'package')
    const output = required(args, 'output', '-o model.onnx')
    const trust = await trustArgument(args)
    await checkOutput(output, path)
    const source = await fileSource(path)
    const onnx = await withBase(args, (base) =>
      unpack(source, { ...trust, base, signal: io.signal, onProgress: io.onProgress }),
    ).finally(() => source.close())
    await writeWhole(output, onnx)
    io.out(io.json ? JSON.stringify({ output, byteLength: onnx.length }) : `${output}: ${count(onnx.length)} bytes`)
    return 0
  },
}
