import assert from 'node:assert/strict'
import { test } from 'node:test'
import { progressDisplay } from './progress-bar.ts'

function screen(isTTY: boolean): { text: () => string; write: (text: string) => void; isTTY: boolean } {
  let written = ''
  const write = (text: string): void => {
    written += text
  }
  return { text: () => written, write, isTTY }
}

test('away from a terminal each stage is one plain line', () => {
  const stream = screen(false)
  const { onProgress, clear } = progressDisplay(stream)
  for (let done = 0; done <= 10; done++) onProgress({ stage: 'decode', done, total: 10 })
  onProgress({ stage: 'self-test', done: 0, total: 1 })
  clear()
  assert.equal(stream.text(), 'decode …\nself-test …\n')
})

test('on a terminal a bar shows the share done and the time left, and is gone at the end', () => {
  const stream = screen(true)
  let time = 0
  const { onProgress } = progressDisplay(stream, () => time)
  onProgress({ stage: 'decode', done: 0, total: 100 })
  time = 3000
  onProgress({ stage: 'decode', done: 25, total: 100 })
  assert.match(stream.text(), / 25 % decode 9 s left$/)
  onProgress({ stage: 'decode', done: 100, total: 100 })
  assert.ok(stream.text().endsWith('\r\x1b[2K'))
})

test('a stage of unknown length does not divide by zero', () => {
  const stream = screen(true)
  progressDisplay(stream, () => 0).onProgress({ stage: 'wait', done: 0, total: 0 })
  assert.ok(!stream.text().includes('NaN'))
})
