/** `hardpack keygen -o release` */

import { existsSync } from 'node:fs'
import { formatKey, generateKeyPair } from '../container/keys.ts'
import { HardpackError } from '../core/index.ts'
import { writeWhole } from '../pack/file.ts'
import { type Command, required, UsageError } from './command.ts'

export const keygenCommand: Command = {
  summary: 'make an Ed25519 key pair: NAME.secret to sign with, NAME.public for apps',
  usage: '-o NAME',
  help: ['-o, --output NAME   the two files are NAME.secret (readable by you only) and NAME.public'],
  options: { output: { type: 'string', short: 'o' } },
  async run(args, io) {
    if (args.positionals.length > 0) throw new UsageError(`expected no file, got "${args.positionals[0]}".`)
    const name = required(args, 'output', '-o NAME')
    const [secret, shared] = [`${name}.secret`, `${name}.public`]
    for (const path of [secret, shared]) {
      if (existsSync(path)) {
        throw new HardpackError('IO', `keygen expected a new name, got "${path}", which exists.`, {
          hint: 'Choose another name: keys are never overwritten.',
        })
      }
    }
    const pair = await generateKeyPair()
    await writeWhole(secret, `${formatKey('secret', pair.secretKey)}\n`, 0o600)
    await writeWhole(shared, `${formatKey('public', pair.publicKey)}\n`)
    const publicKey = formatKey('public', pair.publicKey)
    io.out(io.json ? JSON.stringify({ publicKey, files: { secret, public: shared } }) : publicKey)
    io.note(`Keep ${secret} to yourself; give ${shared} to the apps that open your packages.`)
    return 0
  },
}
