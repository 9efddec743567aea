import assert from 'node:assert/strict'
import { test } from 'node:test'
import { normal, rng } from '../sdk/core/index.ts'
import { midPValue } from './calibrate/conformal.ts'
import { importMonitor, type Monitor, observe, startMonitor } from './monitor.ts'

/** Frames until the alarm, at most `limit`. */
function framesToDrift(monitor: Monitor, nextP: () => number, limit: number): number {
  let state = monitor
  while (state.status !== 'drift' && state.frames < limit) state = observe(state, nextP())
  return state.frames
}

test('each bet is a martingale factor: its mean over uniform p-values is its price, and never above 1', () => {
  let monitor = startMonitor(1000)
  const random = rng(1)
  for (let step = 0; step < 50; step++) {
    const grid = 1000
    let mean = 0
    for (let i = 0; i < grid; i++) {
      // From far enough above the floor of the CUSUM to see the factor itself.
      const after = observe({ ...monitor, evidence: 5 }, (i + 0.5) / grid)
      mean += Math.exp(after.evidence - 5) / grid
    }
    assert.ok(mean <= 1 + 1e-12 && mean > 0.95, `${mean}`)
    monitor = observe(monitor, random.uniform() ** 2)
  }
})

test('the price covers p-values whose mean is three standard deviations off, whatever the bets', () => {
  for (const samples of [50, 1000, 2500]) {
    const off = 3 / Math.sqrt(12 * samples)
    for (const bets of [
      [1, 0, 0],
      [0, 0, 1],
      [0.5, 0.3, 0.2],
      [0, 1, 0],
    ] as const) {
      for (const mean of [0.5 - off, 0.5, 0.5 + off]) {
        // Factors are linear in p, so the mean factor is that of the mean.
        const { evidence } = observe({ ...startMonitor(samples), evidence: 5, bets }, mean)
        assert.ok(evidence <= 5 + 1e-12, `${samples} ${bets} ${mean}: ${evidence - 5}`)
        assert.ok(evidence >= 5 + Math.log((1 - off) / (1 + off)))
      }
    }
  }
})

test('false alarms on fixed calibration sets: far rarer than one in 1,000 frames', () => {
  const runs = 40
  const frames = 5000
  let alarms = 0
  for (let run = 0; run < runs; run++) {
    const random = rng(run, 11)
    const calibration = Float64Array.from({ length: 1000 }, () => random.uniform()).sort()
    const reached = framesToDrift(startMonitor(1000), () => midPValue(calibration, random.uniform()), frames)
    if (reached < frames) alarms++
  }
  // The theorem allows 5 alarms a run of 5,000 frames.
  assert.ok(alarms <= 1, `${alarms} of ${runs}`)
})

test('Ville: with uniform p-values and no reset, at most one start in 20 ever reaches 20', () => {
  // The same bets without the floor: reconstructed from the monitor's own factors.
  let crossings = 0
  const starts = 1000
  for (let start = 0; start < starts; start++) {
    const random = rng(start, 12)
    let monitor = startMonitor(1_000_000)
    let logWealth = 0
    for (let frame = 0; frame < 300 && logWealth < Math.log(20); frame++) {
      const after = observe({ ...monitor, evidence: 50, status: 'ok' }, random.uniform())
      logWealth += after.evidence - 50
      monitor = after
    }
    if (logWealth >= Math.log(20)) crossings++
  }
  // P ≤ 1/20; four standard errors above is 0.078.
  assert.ok(crossings / starts <= 0.078, `${crossings}`)
})

test('a shift is seen within frames, whichever way the scores go', () => {
  const random = rng(3)
  const calibration = Float64Array.from({ length: 2500 }, () => normal(random)).sort()
  for (const [shift, limit] of [
    [0.5, 300],
    [1, 100],
    [2, 50],
    [-1, 100],
  ]) {
    const delays = Array.from({ length: 20 }, () =>
      framesToDrift(startMonitor(2500), () => midPValue(calibration, normal(random) + shift), 1000),
    ).sort((a, b) => a - b)
    assert.ok(delays[10] < limit, `shift ${shift}: ${delays[10]} frames`)
  }
})

test('a long calm does not delay the alarm, and the alarm stays', () => {
  const random = rng(4)
  let monitor = startMonitor(2500)
  for (let i = 0; i < 5000; i++) monitor = observe(monitor, random.uniform())
  assert.equal(monitor.status, 'ok')
  const calm = monitor.frames
  const seen: string[] = []
  for (let i = 0; i < 60; i++) {
    monitor = observe(monitor, 0.02)
    if (seen.at(-1) !== monitor.status) seen.push(monitor.status)
  }
  assert.deepEqual(seen, ['ok', 'warn', 'drift'])
  assert.equal(monitor.frames, calm + 60)
  for (let i = 0; i < 2000; i++) monitor = observe(monitor, random.uniform())
  assert.equal(monitor.status, 'drift')
})

test('a stored monitor goes on as if nothing had happened', () => {
  const random = rng(5)
  let monitor = startMonitor(500)
  for (let i = 0; i < 100; i++) monitor = observe(monitor, random.uniform())
  const stored = importMonitor(JSON.parse(JSON.stringify(monitor)))
  assert.deepEqual(stored, monitor)
  assert.deepEqual(observe(stored, 0.3), observe(monitor, 0.3))
  for (const wrong of [
    null,
    3,
    {},
    { ...monitor, samples: 0 },
    { ...monitor, frames: -1 },
    { ...monitor, evidence: Number.NaN },
    { ...monitor, evidence: -1 },
    { ...monitor, status: 'fine' },
    { ...monitor, bets: [1, 1, 1] },
    { ...monitor, bets: [1, Number.NaN, 0] },
    { ...monitor, bets: [0.5, 0.5] },
  ]) {
    assert.throws(() => importMonitor(wrong), { code: 'INVALID_ARGUMENT' })
  }
})

test('what is no p-value is refused', () => {
  assert.throws(() => observe(startMonitor(10), Number.NaN), { code: 'INVALID_ARGUMENT' })
  assert.throws(() => observe(startMonitor(10), 1.01), { code: 'INVALID_ARGUMENT' })
  assert.throws(() => startMonitor(0), { code: 'INVALID_ARGUMENT' })
})
