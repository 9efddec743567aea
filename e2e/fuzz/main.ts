/**
 * `npm run fuzz`: fuzzes the decoders of `compress/`. Without a target, all of them, one after the other.
 *
 *     npm run fuzz -- [target [seconds [seed]]]
 *     npm run fuzz -- target replay BASE64
 */

import { fuzz } from './fuzz.ts'
import type { FuzzReport } from './target.ts'
import { INSTRUMENTED, TARGETS, type TargetEntry } from './targets/index.ts'

const SECONDS = 60
const SEED = 1

function summary(name: string, seed: number, seconds: number, report: FuzzReport): string {
  const { executions, reached, counters, corpus } = report
  return `fuzz ${name}, seed ${seed}, ${seconds.toFixed(0)} s: ${executions} executions, ${reached} of ${counters} counters, ${corpus} inputs kept\n`
}

function failure(name: string, { finding }: FuzzReport): string {
  if (!finding) return ''
  const input = Buffer.from(finding.input).toString('base64')
  return `fuzz ${name} FAILED: ${finding.message}\nRun it again: npm run fuzz -- ${name} replay ${input}\n`
}

/** Fuzzes a target for its time; whether it stood. */
async function stands(name: string, entry: TargetEntry, seconds: number, seed: number): Promise<boolean> {
  const { module } = entry
  const seeds = entry.seeds()
  const begin = performance.now()
  const report = await fuzz({ module, instrumented: INSTRUMENTED, seeds, seed, seconds })
  process.stdout.write(summary(name, seed, (performance.now() - begin) / 1000, report))
  process.stdout.write(failure(name, report))
  return !report.finding
}

/** Runs one input; whether the target stood it. */
async function replays(name: string, { module }: TargetEntry, base64: string): Promise<boolean> {
  const seeds = [new Uint8Array(Buffer.from(base64, 'base64'))]
  const report = await fuzz({ module, instrumented: INSTRUMENTED, seeds, seed: SEED, executions: 1 })
  process.stdout.write(failure(name, report) || `fuzz ${name}: the input is stood\n`)
  return !report.finding
}

const [chosen, second, third] = process.argv.slice(2)
const names = chosen === undefined || chosen === 'all' ? Object.keys(TARGETS) : [chosen]
let allStand = true
for (const name of names) {
  const entry = TARGETS[name]
  if (!entry) throw new Error(`expected a target of ${Object.keys(TARGETS).join(', ')}, got ${name}`)
  const stood =
    second === 'replay'
      ? await replays(name, entry, third ?? '')
      : await stands(name, entry, Number(second ?? SECONDS), Number(third ?? SEED))
  allStand &&= stood
}
process.exitCode = allStand ? 0 : 1
