/**
 * Counters at every statement, function and branch of a module. istanbul says where they go; we move them from its
 * objects, which every count would look up by name, into one flat array: instrumented decoders stay fast enough to fuzz.
 */

import { createInstrumenter, type FileCoverage } from 'istanbul-lib-instrument'

/** One way that a branch can take. */
export interface Arm {
  /** Its counter. */
  readonly counter: number
  readonly line: number
  /** As istanbul names it: `if`, `cond-expr`, `binary-expr`, `switch`, `default-arg`. */
  readonly type: string
}

export interface Instrumented {
  /** The module, whose counters are `array[first]` up to `array[first + counters - 1]`. */
  readonly code: string
  readonly counters: number
  readonly arms: readonly Arm[]
}

const instrumenter = createInstrumenter({ esModules: true, compact: false })
/** What istanbul puts in front: the function that gives the file's counters, and its first call. */
const PROLOGUE = /^function (cov_\w+)\(\) \{[\s\S]*?\n\}\n\1\(\);\n/

function armsOf(coverage: FileCoverage, first: number): Map<string, Arm> {
  const arms = new Map<string, Arm>()
  let counter = first
  for (const [branch, { type, loc, locations }] of Object.entries(coverage.branchMap)) {
    for (const [index, location] of locations.entries()) {
      arms.set(`${branch}.${index}`, { counter: counter++, line: location.start.line ?? loc.start.line ?? 0, type })
    }
  }
  return arms
}

/**
 * Instruments a module of JavaScript.
 *
 * @param array the name under which the module finds the counters
 * @param first the number of its first counter
 * @example
 * instrument('export const f = (a) => (a ? 1 : 2)', 'f.js', 'hits', 0).arms.length // 2
 */
export function instrument(source: string, path: string, array: string, first: number): Instrumented {
  const instrumented = instrumenter.instrumentSync(source, path)
  const coverage = instrumenter.lastFileCoverage()
  const [prologue, name] = PROLOGUE.exec(instrumented) ?? ['', '']
  if (name === '') throw new Error(`${path}: istanbul's first lines have another form than we know`)
  const functions = first + Object.keys(coverage.s).length
  const branches = functions + Object.keys(coverage.f).length
  const arms = armsOf(coverage, branches)
  const code = instrumented
    .slice(prologue.length)
    .replaceAll(new RegExp(`${name}\\(\\)\\.([sf])\\[(\\d+)\\]`, 'g'), (_, kind: string, index: string) => {
      return `${array}[${(kind === 's' ? first : functions) + Number(index)}]`
    })
    .replaceAll(new RegExp(`${name}\\(\\)\\.b\\[(\\d+)\\]\\[(\\d+)\\]`, 'g'), (_, branch: string, index: string) => {
      return `${array}[${arms.get(`${branch}.${index}`)?.counter}]`
    })
  if (code.includes(name)) throw new Error(`${path}: a counter of istanbul's is left`)
  return { code, counters: branches + arms.size - first, arms: [...arms.values()] }
}
