/** What a command is, and what it may touch: data goes to `out`, everything else to `note`. */

import type { ParseArgsConfig } from 'node:util'
import { HardpackError, type OnProgress } from '../core/index.ts'
import { type Preprocess, parsePreprocess } from '../pack/samples/preprocess.ts'

export interface Io {
  /** One line of data, on stdout. */
  out(line: string): void
  /** One line for the person at the terminal, on stderr. */
  note(line: string): void
  readonly json: boolean
  readonly onProgress: OnProgress
  readonly signal: AbortSignal
}

export interface Arguments {
  /** Values by option name; an option that may be repeated holds an array. */
  readonly values: Readonly<Record<string, string | boolean | (string | boolean)[] | undefined>>
  readonly positionals: readonly string[]
}

export interface Command {
  readonly summary: string
  /** After `hardpack <name> `. */
  readonly usage: string
  /** One line an option. */
  readonly help: readonly string[]
  readonly options: NonNullable<ParseArgsConfig['options']>
  /** The exit status: 0, or 1 when what was asked for does not hold. */
  run(args: Arguments, io: Io): Promise<number>
}

/** A mistake in how the command was called: exit status 2. */
export class UsageError extends Error {}

/** The one file that a command works on. */
export function onlyFile({ positionals }: Arguments, what: string): string {
  if (positionals.length !== 1) throw new UsageError(`expected one ${what}, got ${positionals.length}.`)
  return positionals[0]
}

/** A string option. */
export function text(args: Arguments, name: string): string | undefined {
  const value = args.values[name]
  return typeof value === 'string' ? value : undefined
}

/** A string option that must be given. */
export function required(args: Arguments, name: string, what: string): string {
  const value = text(args, name)
  if (value === undefined) throw new UsageError(`expected ${what}, got none.`)
  return value
}

/** A repeatable option of the form `name=value`, as pairs; no name twice. */
export function pairs(args: Arguments, option: string): [string, string][] {
  const list = args.values[option]
  const seen = new Set<string>()
  return (Array.isArray(list) ? list : []).map(String).map((item) => {
    const at = item.indexOf('=')
    if (at < 1) throw new UsageError(`--${option} expected name=value, got "${item}".`)
    const name = item.slice(0, at)
    if (seen.has(name)) throw new UsageError(`--${option} expected each name once, got "${name}" twice.`)
    seen.add(name)
    return [name, item.slice(at + 1)]
  })
}

/** What a parser makes of an option, where what it refuses is a mistake of the call. */
export function parsed<T>(option: string, parse: () => T): T {
  try {
    return parse()
  } catch (error) {
    if (!(error instanceof HardpackError && error.code === 'INVALID_ARGUMENT')) throw error
    throw new UsageError(`--${option}: ${error.message}`)
  }
}

/** How pictures become inputs, from `--preprocess`. */
export function preprocessArgument(args: Arguments): Preprocess | undefined {
  const words = text(args, 'preprocess')
  return words === undefined ? undefined : parsed('preprocess', () => parsePreprocess(words))
}

/** Aligned columns; the first row is the head. Numbers are written by the caller. */
export function table(rows: readonly (readonly string[])[], alignRight: readonly number[] = []): string {
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)))
  return rows
    .map((row) =>
      row
        .map((cell, column) =>
          alignRight.includes(column) ? cell.padStart(widths[column]) : cell.padEnd(widths[column]),
        )
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}

/** Bytes as people read them: `1,234,567`. */
export function count(n: number): string {
  return n.toLocaleString('en-US')
}

/** What `--json` prints for an error. */
export function errorRecord(error: unknown): { error: { code: string; message: string } } {
  const code =
    error instanceof HardpackError ? error.code : error instanceof UsageError ? 'INVALID_ARGUMENT' : 'UNEXPECTED'
  return { error: { code, message: error instanceof Error ? error.message : String(error) } }
}
