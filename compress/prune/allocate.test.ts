import assert from 'node:assert/strict'
import { test } from 'node:test'
import { allocate, curveOf, unitsLeft } from './allocate.ts'
import { gridOf, type Sensitivity, thinnedGrid } from './sensitivity.ts'
import type { Group, Kept } from './types.ts'

const groupOf = (name: string, units: number, width = 1): Group => ({ name, units, width, writers: [], readers: [] })

function sensitivity(name: string, units: number, distances: readonly [number, number][]): Sensitivity {
  return {
    group: groupOf(name, units),
    grid: gridOf({ units, width: 1 }, 8),
    order: Array.from({ length: units - 1 }, (_, i) => units - 1 - i),
    points: [{ units, distance: 0 }, ...distances.map(([left, distance]) => ({ units: left, distance }))],
  }
}

const NET = [
  sensitivity('a', 32, [
    [24, 0.1],
    [16, 0.3],
    [8, 2],
  ]),
  sensitivity('b', 32, [
    [24, 0.01],
    [16, 0.02],
    [8, 1],
  ]),
  sensitivity('c', 16, [[8, 0.2]]),
]

const count = (kept: Kept, name: string, units: number): number => kept.get(name)?.length ?? units

/** A chain of three layers: each costs its inputs times its outputs. */
const costOf = (kept: Kept): number => {
  const [a, b, c] = [count(kept, 'a', 32), count(kept, 'b', 32), count(kept, 'c', 16)]
  return 3 * a + a * b + b * c + 10 * c
}

test('grids are multiples of what makes align channels, fewer than all', () => {
  assert.deepEqual(gridOf({ units: 32, width: 1 }, 8), [24, 16, 8])
  assert.deepEqual(gridOf({ units: 20, width: 1 }, 8), [16, 8])
  assert.deepEqual(gridOf({ units: 8, width: 1 }, 8), [])
  assert.deepEqual(gridOf({ units: 4, width: 16 }, 8), [3, 2, 1])
  assert.deepEqual(gridOf({ units: 12, width: 2 }, 8), [8, 4])
  assert.deepEqual(thinnedGrid([7, 6, 5, 4, 3, 2, 1], 3), [7, 4, 1])
  assert.deepEqual(thinnedGrid([3, 2, 1], 3), [3, 2, 1])
})

test('a curve goes through its points, by factors between them, and never falls', () => {
  const curve = curveOf(
    sensitivity('a', 40, [
      [32, 0.4],
      [16, 0.2],
      [8, 1],
    ]),
  )
  assert.deepEqual(curve, [
    { units: 40, distance: 0 },
    { units: 32, distance: 0.4 },
    { units: 24, distance: 0.4 },
    { units: 16, distance: 0.4 },
    { units: 8, distance: 1 },
  ])
  const distances = curveOf(
    sensitivity('a', 40, [
      [24, 1],
      [8, 4],
    ]),
  ).map(({ distance }) => distance)
  assert.deepEqual(distances, [0, 0.25, 1, 2, 4])
})

test('units go in their order', () => {
  assert.deepEqual(unitsLeft(NET[2], 8), [0, 1, 2, 3, 4, 5, 6, 7])
})

test('every budget is met, and the sum of distances is near the least of all allocations that meet it', () => {
  const [a, b, c] = NET.map((one) => curveOf(one))
  const whole = costOf(new Map())
  for (let share = 0.3; share < 1; share += 0.05) {
    const target = share * whole
    const path = allocate(NET, { target, costOf })
    const last = path[path.length - 1]
    assert.equal(last.cost, costOf(last.kept))
    assert.ok(last.cost <= target)
    for (const [i, { cost }] of path.slice(1).entries()) assert.ok(cost < path[i].cost || i === path.length - 2)
    let least = Number.POSITIVE_INFINITY
    for (const x of a) {
      for (const y of b) {
        for (const z of c) {
          const cost = 3 * x.units + x.units * y.units + y.units * z.units + 10 * z.units
          if (cost <= target) least = Math.min(least, x.distance + y.distance + z.distance)
        }
      }
    }
    assert.ok(last.distance <= 1.6 * least + 1e-9, `${share}: ${last.distance}, where ${least} is possible`)
  }
})

test('a budget that nothing meets is one sentence', () => {
  assert.throws(() => allocate(NET, { target: 10, costOf }), {
    code: 'INVALID_ARGUMENT',
    message:
      /^Pruning expected a budget that the model can meet, at least \d+\.\d % of it, got 0\.\d %\. Ask for a larger share\.$/,
  })
})

test('a cost that the whole model meets already needs no step', () => {
  assert.deepEqual(allocate(NET, { target: 1e9, costOf }), [])
})

test('what the last step saved too much is given back where it helps most', () => {
  // The last step must be a large one; then either a or b can be whole again, and b's distance is the larger.
  const three = [sensitivity('a', 16, [[8, 0.01]]), sensitivity('b', 16, [[8, 0.02]]), sensitivity('c', 16, [[8, 1]])]
  const price = (kept: Kept): number =>
    100 - (kept.has('a') ? 5 : 0) - (kept.has('b') ? 5 : 0) - (kept.has('c') ? 60 : 0)
  const path = allocate(three, { target: 39, costOf: price })
  assert.deepEqual([...path[path.length - 1].kept.keys()], ['a', 'c'])
})
