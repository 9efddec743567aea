/** Fuzzes a target in a thread of its own, which may hang or run out of memory without taking the fuzzer with it. */

import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { Worker } from 'node:worker_threads'
import { type BundleOptions, bundleTarget } from './bundle.ts'
import { type Progress, progressOf, SHARED_BYTES } from './progress.ts'
import type { FuzzReport } from './target.ts'
import type { WorkerData } from './worker.ts'

/** A single run that takes longer hangs. */
const HANG_SECONDS = 20
const HEAP_MB = 512

export interface FuzzOptions extends BundleOptions {
  readonly seeds: readonly Uint8Array[]
  /** Of the random numbers. */
  readonly seed: number
  /** No limit when absent. */
  readonly seconds?: number
  readonly executions?: number
  readonly hangSeconds?: number
}

/** Calls `hung` once the same input has been running for `seconds`. */
function watch(progress: Progress, seconds: number, hung: () => void): NodeJS.Timeout {
  let known = 0
  let since = performance.now()
  return setInterval(
    () => {
      const begun = progress.begun()
      if (begun === 0 || begun !== known) {
        known = begun
        since = performance.now()
      } else if (performance.now() - since > 1000 * seconds) hung()
    },
    Math.min(1000, 250 * seconds),
  )
}

/**
 * Fuzzes until its time or its executions are used up, or an input is not stood.
 *
 * @example
 * const { finding } = await fuzz({ module: new URL('targets/coder.js', import.meta.url), instrumented: /compress/, seeds, seed: 1, seconds: 60 })
 */
export async function fuzz(options: FuzzOptions): Promise<FuzzReport> {
  const { seeds, seed, seconds, executions, hangSeconds = HANG_SECONDS } = options
  const { code, counters } = await bundleTarget(options)
  const folder = await mkdtemp(join(tmpdir(), 'hardpack-fuzz-'))
  const file = join(folder, 'target.mjs')
  await writeFile(file, code)
  const shared = new SharedArrayBuffer(SHARED_BYTES)
  const progress = progressOf(shared)
  const workerData: WorkerData = {
    module: pathToFileURL(file).href,
    counters,
    seeds,
    seed,
    seconds: seconds ?? Number.POSITIVE_INFINITY,
    executions: executions ?? Number.POSITIVE_INFINITY,
    shared,
  }
  const worker = new Worker(new URL('worker.js', import.meta.url), {
    workerData,
    resourceLimits: { maxOldGenerationSizeMb: HEAP_MB },
  })
  let timer: NodeJS.Timeout | undefined
  try {
    return await new Promise<FuzzReport>((resolve, reject) => {
      const lost = (message: string): void => {
        const begun = progress.begun()
        if (begun === 0) reject(new Error(message))
        else
          resolve({ executions: begun, reached: 0, counters, corpus: 0, finding: { message, input: progress.input() } })
      }
      timer = watch(progress, hangSeconds, () => lost(`expected to end within ${hangSeconds} s, got no end`))
      worker.once('message', resolve)
      worker.once('error', (error) => lost(error.stack ?? error.message))
      worker.once('exit', () => lost('expected a report, got the end of the thread'))
    })
  } finally {
    clearInterval(timer)
    await worker.terminate()
    await rm(folder, { recursive: true, force: true })
  }
}
