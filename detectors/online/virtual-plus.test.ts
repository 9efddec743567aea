import assert from 'node:assert/strict'
import { test } from 'node:test'
import { rng } from '../../sdk/core/index.ts'
import { bestObservation, competitiveRatio, type OnlineRule, onlinePicker, pickOnline } from './virtual-plus.ts'

const RULES: readonly OnlineRule[] = ['virtual', 'virtual+']

function* permutations(items: readonly number[]): Generator<number[]> {
  if (items.length <= 1) yield [...items]
  for (let i = 0; i < items.length; i++) {
    for (const rest of permutations(items.toSpliced(i, 1))) yield [items[i], ...rest]
  }
}

test('the ratio is the share of the best k that is picked, over all orders of up to 7 frames', () => {
  for (const rule of RULES) {
    for (let n = 1; n <= 7; n++) {
      const orders = [...permutations(Array.from({ length: n }, (_, i) => i))]
      for (let k = 1; k <= Math.min(n, 4); k++) {
        for (let t = rule === 'virtual' ? k : 0; t <= n; t++) {
          let found = 0
          for (const values of orders) {
            const picked = pickOnline(values, k, rule, t)
            assert.ok(picked.length <= k)
            found += picked.filter((frame) => values[frame] >= n - k).length
          }
          const counted = found / (orders.length * k)
          assert.ok(Math.abs(competitiveRatio(n, k, rule, t) - counted) < 1e-12, `${rule} n=${n} k=${k} t=${t}`)
        }
      }
    }
  }
})

/** The paper’s competitive ratio of Virtual+ for t = αn, n → ∞, k ≥ 2. */
function closedForm(k: number, alpha: number): number {
  const factorial = (m: number): number => (m <= 1 ? 1 : m * factorial(m - 1))
  const a = (m: number): number => ((k ** k / (k - 1) ** (k - m) - k ** m) * (-1) ** (m + 1)) / factorial(m)
  let sum = 0
  for (let m = 0; m < k; m++) sum += a(m) * Math.log(alpha) ** m
  return alpha ** k * sum - alpha * a(0)
}

test('for long streams the ratio is the paper’s closed form', () => {
  const n = 20000
  for (const k of [2, 3, 4, 5, 10]) {
    for (const alpha of [0.2, 0.35, 0.6]) {
      const ratio = competitiveRatio(n, k, 'virtual+', alpha * n)
      assert.ok(Math.abs(ratio - closedForm(k, alpha)) < 3 / n, `k=${k} α=${alpha}: ${ratio}`)
    }
  }
})

test('k = 1 is the secretary: n/e frames observed, 1/e; Virtual stays there for every k, Virtual+ does better', () => {
  const { observe, ratio } = bestObservation(10000, 1)
  assert.equal(observe, 3679)
  assert.ok(Math.abs(ratio - 1 / Math.E) < 1e-4)
  assert.equal(bestObservation(10000, 1, 'virtual').observe, observe)
  assert.ok(Math.abs(bestObservation(10000, 20, 'virtual').ratio - 1 / Math.E) < 1e-3)
  const two = bestObservation(10000, 2)
  assert.ok(Math.abs(two.ratio - 0.4273) < 2e-4 && Math.abs(two.observe / 10000 - 0.382) < 1e-3, JSON.stringify(two))
})

test('the best observation is the best of all', () => {
  for (const rule of RULES) {
    for (const n of [1, 2, 3, 10, 33, 60]) {
      for (const k of [1, 2, 3, 7, 20, n].filter((value) => value <= n)) {
        const start = rule === 'virtual' ? k : 0
        const all = Array.from({ length: n - start + 1 }, (_, i) => competitiveRatio(n, k, rule, start + i))
        assert.equal(bestObservation(n, k, rule).ratio, Math.max(...all), `${rule} n=${n} k=${k}`)
      }
    }
  }
})

test('simulated streams reach the ratio', () => {
  const [n, k, runs] = [300, 5, 1500]
  for (const rule of RULES) {
    const { observe, ratio } = bestObservation(n, k, rule)
    let found = 0
    for (let run = 0; run < runs; run++) {
      const random = rng(run, 21)
      const values = Array.from({ length: n }, () => random.uniform())
      const kth = values.toSorted((a, b) => b - a)[k - 1]
      found += pickOnline(values, k, rule, observe).filter((frame) => values[frame] >= kth).length
    }
    // A picked frame is a coin of at most ¼ variance; k of them a run, dependent.
    assert.ok(
      Math.abs(found / (runs * k) - ratio) < 4 * 0.5 * Math.sqrt(1 / runs),
      `${rule}: ${found / (runs * k)} ≠ ${ratio}`,
    )
  }
})

test('one frame after the other gives what the whole stream gives', () => {
  const values = [3, 1, 4, 1, 5, 9, 2, 6]
  const pick = onlinePicker(values.length, 2, 'virtual+', 3)
  assert.deepEqual(
    values.map((value) => pick(value)),
    [false, false, false, false, true, true, false, false],
  )
  assert.deepEqual(pickOnline(values, 2, 'virtual+', 3), [4, 5])
  assert.deepEqual(pickOnline(values, 2, 'virtual', 3), [4, 5])
  assert.deepEqual(pickOnline([2, 2, 2, 2], 1, 'virtual+', 1), [])
})

test('numbers that do not fit are refused', () => {
  for (const call of [
    () => onlinePicker(0, 1),
    () => onlinePicker(5, 6),
    () => onlinePicker(5, 0),
    () => onlinePicker(5, 2, 'virtual', 1),
    () => onlinePicker(5, 2, 'virtual+', 6),
    () => competitiveRatio(5, 2, 'virtual+', 1.5),
    () => bestObservation(3, 4),
    () => onlinePicker(5, 2)(Number.NaN),
  ]) {
    assert.throws(call, { code: 'INVALID_ARGUMENT' })
  }
})
