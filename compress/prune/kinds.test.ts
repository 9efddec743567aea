import assert from 'node:assert/strict'
import { test } from 'node:test'
import { keptOfKinds, kindsOf } from './kinds.ts'
import type { Contraction, Group } from './types.ts'

const contraction = (output: string): Contraction => ({
  output,
  op: 'Conv',
  kind: 'conv',
  input: '',
  channelAxis: 1,
  weight: '',
  inputAxis: 1,
  outputAxis: 0,
  groups: 1,
  inputs: 4,
  outputs: 4,
})

/** Units 0, 2 and 4 lie in an early and a late layer, 1 and 3 only in the late one. */
const STREAM: Group = {
  name: 'stream',
  units: 5,
  width: 1,
  writers: [{ contraction: contraction('early'), positions: [[0], [], [1], [], [2]] }],
  readers: [{ contraction: contraction('late'), positions: [[4], [3], [2], [1], [0]] }],
}

test('units that lie in the same layers are of one kind', () => {
  const [early, late] = kindsOf(STREAM)
  assert.deepEqual(early.units, [0, 2, 4])
  assert.deepEqual(late.units, [1, 3])
  assert.deepEqual([early.group.name, late.group.name], ['stream#0', 'stream#1'])
  assert.deepEqual([early.group.units, late.group.units], [3, 2])
  assert.deepEqual(early.group.readers[0].positions, [[4], [2], [0]])
  assert.deepEqual(late.group.writers, [])
  const [only] = kindsOf({ ...STREAM, writers: [] })
  assert.equal(only.group.name, 'stream')
})

test('what stays of kinds is what stays of the group', () => {
  const kinds = kindsOf(STREAM)
  assert.deepEqual(
    [
      ...keptOfKinds(
        kinds,
        new Map([
          ['stream#0', [0, 2]],
          ['stream#1', [1]],
        ]),
      ),
    ],
    [['stream', [0, 3, 4]]],
  )
  assert.deepEqual([...keptOfKinds(kinds, new Map([['stream#1', [0]]]))], [['stream', [0, 1, 2, 4]]])
  assert.deepEqual([...keptOfKinds(kinds, new Map())], [])
})
