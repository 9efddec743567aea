/** The fuzzer finds what is planted: in a maze, and in our own decoders. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type FuzzOptions, fuzz } from './fuzz.ts'
import type { FuzzReport } from './target.ts'
import { INSTRUMENTED, TARGETS } from './targets/index.ts'

const maze = { module: new URL('maze.fixture.js', import.meta.url), instrumented: /maze\.fixture\.js$/ }
const text = (letters: string): Uint8Array => new TextEncoder().encode(letters)

function inMaze(options: Partial<FuzzOptions>): Promise<FuzzReport> {
  return fuzz({ ...maze, seeds: [text('....')], seed: 1, executions: 1_000_000, hangSeconds: 1, ...options })
}

test('counters guide to a fault that chance alone would meet once in 10^12 inputs', async (t) => {
  const { executions, finding } = await inMaze({ seed: 2 })
  assert.ok(finding, `${executions} executions`)
  assert.equal(Buffer.from(finding.input.subarray(0, 4)).toString(), 'hpk!')
  t.diagnostic(`after ${executions} executions`)
})

test('the same seed gives the same executions, corpus and finding; another seed others', async () => {
  const executions = 2000
  const [first, second, other] = [
    await inMaze({ seed: 5, executions }),
    await inMaze({ seed: 5, executions }),
    await inMaze({ seed: 6, executions }),
  ]
  assert.deepEqual(first, second)
  assert.notDeepEqual(first, other)
})

test('an exception, an input that hangs, and one that asks for too much memory are findings', async () => {
  const outcomes = { '!': /TypeError: the end of the maze/, h: /no end/, m: /at most 1048576 bytes of arrays/ }
  for (const [letter, message] of Object.entries(outcomes)) {
    const input = text(`hpk!${letter}`)
    const { finding } = await inMaze({ seeds: [text('hpk?'), input], executions: 2 })
    assert.match(finding?.message ?? '', message)
    assert.deepEqual(finding?.input, input)
  }
  const { finding } = await inMaze({ seeds: [text('hpk!')], executions: 1 })
  assert.equal(finding, undefined)
})

/** Checks of the decoders, and what the fuzzer has to find without them. */
const PLANTED = [
  {
    target: 'coder',
    path: 'compress/bytes/inflate.js',
    check: /if \(position !== bytes.length\)\s+throw [^;]*;/,
    executions: 100_000,
  },
  {
    target: 'coder',
    path: 'compress/coder/bit-reader.js',
    check: /[\w.]+ !== whole \+ tail \|\|/,
    executions: 100_000,
  },
  {
    target: 'tables',
    path: 'compress/coder/rans.js',
    check: /if \(sum !== TOTAL\)\s+throw [^;]*;/,
    executions: 100_000,
  },
  {
    target: 'chunks',
    path: 'compress/coder/rans.js',
    check: / && states\.every\(.*LEAST_STATE\)/,
    executions: 50_000,
  },
  {
    target: 'chunks',
    path: 'compress/weights/layout.js',
    check: /if \(position !== bytes.length\)\s+throw [^;]*;/,
    executions: 50_000,
  },
]

for (const { target, path, check, executions } of PLANTED) {
  test(`a check that is missing in ${path} is found`, async (t) => {
    const { module, seeds } = TARGETS[target]
    const plant = (source: string, own: string): string => {
      if (own !== path) return source
      const planted = source.replace(check, '')
      assert.notEqual(planted, source)
      return planted
    }
    const begin = performance.now()
    const report = await fuzz({ module, instrumented: INSTRUMENTED, seeds: await seeds(), seed: 1, executions, plant })
    t.diagnostic(
      `${report.executions} executions, ${((performance.now() - begin) / 1000).toFixed(1)} s: ${report.finding?.message.split('\n')[0]}`,
    )
    assert.ok(report.finding)
  })
}
