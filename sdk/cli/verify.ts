/** `hardpack verify model.hpk --key public-key` */

import { toHex } from '../core/index.ts'
import { fileSource } from '../pack/file.ts'
import { verify } from '../pack/verify.ts'
import { BASE_HELP, BASE_OPTION, withBase } from './base.ts'
import { type Command, count, onlyFile } from './command.ts'
import { KEY_HELP, trustArgument } from './keys.ts'

export const verifyCommand: Command = {
  summary: 'check every digest, decode every chunk, and check the signature',
  usage: '<model.hpk> [--key public-key] [--base base.hpk]',
  help: [KEY_HELP, BASE_HELP],
  options: { key: { type: 'string' }, ...BASE_OPTION },
  async run(args, io) {
    const path = onlyFile(args, 'package')
    const trust = await trustArgument(args)
    const source = await fileSource(path)
    const { opened } = await withBase(args, (base) =>
      verify(source, { ...trust, base, signal: io.signal, onProgress: io.onProgress }),
    ).finally(() => source.close())
    const { manifest } = opened
    if (io.json) {
      const verifiedKeys = opened.signers.map(toHex)
      io.out(
        JSON.stringify({
          valid: true,
          name: manifest.name,
          release: manifest.release,
          chunks: manifest.chunks.length,
          verifiedKeys,
        }),
      )
    } else {
      const signed = opened.signers.length > 0 ? `signed by ${opened.signers.map(toHex).join(', ')}` : 'not signed'
      io.out(`${path}: valid, ${count(manifest.chunks.length)} chunks decoded, ${signed}`)
    }
    if (trust.trustedKeys === undefined)
      io.note('No --key was given: the bytes are whole, but nothing says who made them.')
    return 0
  },
}
