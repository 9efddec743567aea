/** The `node` target: ONNX Runtime on the CPU, in this process. `onnxruntime-node` is an optional peer dependency. */

import { HardpackError, messageOf } from '../sdk/core/index.ts'
import { type Ort, ortOptions } from './ort.ts'
import { createOrtSession } from './ort-session.ts'
import type { Target } from './types.ts'

export interface NodeOptions {
  /** Threads of one run (intra-op). ONNX Runtime's own choice, one a physical core, when absent. */
  threads?: number
}

/**
 * The CPU of a Node process. Loading and running block the event loop.
 *
 * @throws HardpackError `INVALID_ARGUMENT` for `threads` that is no positive integer.
 * @example
 * const session = await node({ threads: 2 }).create({ model: await readFile('model.onnx') })
 */
export function node(options: NodeOptions = {}): Target {
  const { threads } = options
  if (threads !== undefined && !(Number.isSafeInteger(threads) && threads > 0)) {
    throw new HardpackError('INVALID_ARGUMENT', `node() expected threads to be a positive integer, got ${threads}.`)
  }
  return {
    name: 'node',

    async probe() {
      try {
        await load()
        return { available: true, device: `${process.platform} ${process.arch} CPU` }
      } catch (error) {
        return { available: false, reason: messageOf(error) }
      }
    },

    async create(graph, { optimization, signal } = {}) {
      const ort = await load()
      const threading = threads === undefined ? {} : { intraOpNumThreads: threads }
      return createOrtSession(
        'node',
        ort,
        graph.model,
        { ...ortOptions(graph, 'cpu', optimization), ...threading },
        signal,
      )
    },
  }
}

async function load(): Promise<Ort> {
  try {
    return await import('onnxruntime-node')
  } catch (error) {
    const missing = error instanceof Error && 'code' in error && error.code === 'ERR_MODULE_NOT_FOUND'
    throw new HardpackError(
      'TARGET_UNAVAILABLE',
      missing
        ? 'Target node expected the package onnxruntime-node, got none installed.'
        : `Target node expected onnxruntime-node to load, got: ${messageOf(error)}.`,
      { hint: missing ? 'Run `npm install onnxruntime-node`.' : undefined, cause: error },
    )
  }
}
