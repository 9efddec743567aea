#!/usr/bin/env node
/**
 * The `hardpack` command. Data on stdout, everything else on stderr; exit status 0 (done), 1 (refused or failed) or 2
 * (called wrongly). It never asks a question.
 */

import { parseArgs } from 'node:util'
import { HardpackError, messageOf } from '../core/index.ts'
import { type Command, errorRecord, UsageError } from './command.ts'
import { doctorCommand } from './doctor.ts'
import { guardCommand } from './guard.ts'
import { inspectCommand } from './inspect.ts'
import { keygenCommand } from './keygen.ts'
import { packCommand } from './pack.ts'
import { parityCommand } from './parity.ts'
import { progressDisplay } from './progress-bar.ts'
import { runCommand } from './run.ts'
import { unlearnCommand } from './unlearn.ts'
import { unpackCommand } from './unpack.ts'
import { verifyCommand } from './verify.ts'

const COMMANDS: Readonly<Record<string, Command>> = {
  pack: packCommand,
  unlearn: unlearnCommand,
  inspect: inspectCommand,
  verify: verifyCommand,
  run: runCommand,
  unpack: unpackCommand,
  parity: parityCommand,
  guard: guardCommand,
  keygen: keygenCommand,
  doctor: doctorCommand,
}

function overview(): string {
  const lines = Object.entries(COMMANDS).map(([name, { summary }]) => `  ${name.padEnd(9)}${summary}`)
  return ['usage: hardpack <command> [options]', '', ...lines, '', 'Every command takes --json and --help.'].join('\n')
}

function usage(name: string, command: Command): string {
  const help = [...command.help, '--json   one JSON object on stdout']
  return [`usage: hardpack ${name} ${command.usage}`, '', command.summary, '', ...help.map((line) => `  ${line}`)].join(
    '\n',
  )
}

/** What `parseArgs` throws, as one sentence: the rest is advice about a file whose name begins with a dash. */
function usageErrorOf(error: unknown): UsageError | undefined {
  const { code } = error as { code?: unknown }
  if (typeof code !== 'string' || !code.startsWith('ERR_PARSE_ARGS')) return undefined
  return new UsageError(`${messageOf(error).split('. ')[0].replace(/\.$/, '')}.`)
}

async function main(argv: readonly string[]): Promise<number> {
  const [name, ...rest] = argv
  if (name === '--help' || name === '-h' || name === 'help') {
    process.stdout.write(`${overview()}\n`)
    return 0
  }
  const command = name !== undefined && Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined
  const wantsJson = rest.includes('--json')
  if (name === undefined || !command) {
    const message = `expected a command, got ${name === undefined ? 'none' : `"${name}"`}.`
    if (wantsJson) process.stdout.write(`${JSON.stringify(errorRecord(new UsageError(message)))}\n`)
    process.stderr.write(`hardpack: ${message}\n\n${overview()}\n`)
    return 2
  }
  const display = progressDisplay(process.stderr)
  const note = (line: string): void => {
    display.clear()
    process.stderr.write(`${line}\n`)
  }
  const abort = new AbortController()
  process.once('SIGINT', () => abort.abort())
  try {
    const args = parseArgs({
      args: rest,
      options: { ...command.options, json: { type: 'boolean' }, help: { type: 'boolean', short: 'h' } },
      allowPositionals: true,
    })
    if (args.values.help) {
      process.stdout.write(`${usage(name, command)}\n`)
      return 0
    }
    const out = (line: string): void => {
      display.clear()
      process.stdout.write(`${line}\n`)
    }
    return await command.run(args, { out, note, json: wantsJson, onProgress: display.onProgress, signal: abort.signal })
  } catch (error) {
    display.clear()
    const failure = usageErrorOf(error) ?? error
    const isUsage = failure instanceof UsageError
    if (wantsJson) process.stdout.write(`${JSON.stringify(errorRecord(failure))}\n`)
    if (isUsage) note(`hardpack ${name}: ${messageOf(failure)}\n\n${usage(name, command)}`)
    else if (failure instanceof HardpackError) note(`hardpack ${name}: ${failure.message}`)
    else note(`hardpack ${name}: unexpected: ${failure instanceof Error ? failure.stack : String(failure)}`)
    return isUsage ? 2 : 1
  }
}

// A reader such as `head` that has seen enough is no error.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error
})

process.exitCode = await main(process.argv.slice(2))
