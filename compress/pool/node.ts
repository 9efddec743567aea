/** Threads of Node for a pool. One that waits for work does not keep the process alive; one that works does. */

import { availableParallelism } from 'node:os'
import { Worker } from 'node:worker_threads'
import type { Workers } from './pool.ts'

const SCRIPT = new URL('./worker-node.js', import.meta.url)

export const nodeWorkers: Workers = {
  cores: availableParallelism,
  start({ onAnswer, onLost }) {
    const worker = new Worker(SCRIPT, {
      name: 'hardpack-decode',
      execArgv: [], // Flags of the process, such as --input-type, are not for this script.
      resourceLimits: { maxYoungGenerationSizeMb: 2 }, // It works in memory that it is given.
    })
    worker.on('message', (answer) => {
      worker.unref()
      onAnswer(answer)
    })
    worker.on('messageerror', onLost)
    worker.on('error', onLost)
    worker.on('exit', onLost)
    return {
      postMessage(job, transfer) {
        worker.ref()
        worker.postMessage(job, transfer)
      },
      terminate: () => void worker.terminate(),
    }
  },
}
