/** The thread that runs a target: it says in shared memory what it is at, so that its parent can name an input that hangs it. */

import { parentPort, workerData } from 'node:worker_threads'
import { allocationMeter } from './allocation.ts'
import { fuzzLoop } from './loop.ts'
import { type Progress, progressOf } from './progress.ts'
import type { FuzzTarget } from './target.ts'

export interface WorkerData {
  /** URL of the bundled target. */
  readonly module: string
  readonly counters: number
  readonly seeds: readonly Uint8Array[]
  readonly seed: number
  /** Whichever comes first. */
  readonly seconds: number
  readonly executions: number
  readonly shared: SharedArrayBuffer
}

const data = workerData as WorkerData
const progress: Progress = progressOf(data.shared)
const meter = allocationMeter()
const hits = new Uint32Array(data.counters)
Object.assign(globalThis, { __fuzz: { hits, arrays: meter.arrays } })

const { target } = (await import(data.module)) as { target: FuzzTarget }
const end = performance.now() + 1000 * data.seconds
const report = await fuzzLoop({
  target,
  seeds: data.seeds,
  seed: data.seed,
  hits,
  more: (executions) => executions < data.executions && performance.now() < end,
  before(input) {
    progress.begin(input)
    meter.reset(target.maxAllocated)
  },
  after: () => meter.reset(Number.POSITIVE_INFINITY),
})
progress.end()
parentPort?.postMessage(report)
