/** `hardpack inspect model.hpk` */

import { fileSource } from '../pack/file.ts'
import { inspect } from '../pack/inspect.ts'
import { BASE_HELP, BASE_OPTION, withBase } from './base.ts'
import { type Command, count, onlyFile, table } from './command.ts'

export const inspectCommand: Command = {
  summary: 'show what a package holds and where its bytes go',
  usage: '<model.hpk> [--base base.hpk]',
  help: [BASE_HELP],
  options: BASE_OPTION,
  async run(args, io) {
    const source = await fileSource(onlyFile(args, 'package'))
    const it = await withBase(args, (base) => inspect(source, { trust: 'unsigned', base, signal: io.signal })).finally(
      () => source.close(),
    )
    if (io.json) {
      io.out(JSON.stringify(it))
      return 0
    }
    const { raw, packed, sections } = it.bytes
    io.out(
      `${it.name} (release ${it.release}${it.license ? `, ${it.license}` : ''}), ${it.format}, written by ${it.generator}`,
    )
    io.out(
      `${count(raw)} → ${count(packed)} bytes: weights ${count(sections.weights)}, graphs ${count(sections.graphs)}, container ${count(sections.container)}`,
    )
    io.out(`signature: ${it.signature.signed ? it.signature.verifiedKeys.join(', ') : 'none'}`)
    if (it.base) {
      io.out(`base: ${it.base.name} (release ${it.base.release}), manifest ${it.base.manifestSha256}`)
    }
    for (const [kind, values] of [
      ['input', it.inputs],
      ['output', it.outputs],
    ] as const) {
      for (const { name, dtype, shape } of values) io.out(`${kind} ${name}: ${dtype} [${shape.join(', ')}]`)
    }
    if (it.tensors.length === 0) return 0
    io.out('')
    const head = ['tensor', 'type', 'shape', 'circuit', 'raw', 'packed', 'bits']
    const rows = it.tensors.map((t) => {
      const elements = t.shape.reduce((product, dim) => product * dim, 1)
      const bits = elements > 0 ? ((8 * t.packedBytes) / elements).toFixed(2) : ''
      return [t.name, t.dtype, t.shape.join('×'), t.circuit, count(t.rawBytes), count(t.packedBytes), bits]
    })
    io.out(table([head, ...rows], [4, 5, 6]))
    return 0
  },
}
