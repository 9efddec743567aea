/**
 * A target for tests of what stands on targets: no runtime, a function instead of a graph, and faults on demand. It keeps
 * the contract where it is asked no fault: the same door check, the same queue, the same errors.
 */

import {
  type DType,
  fromBfloat16,
  fromFloat16,
  HardpackError,
  type Tensor,
  throwIfAborted,
  toBfloat16,
  toFloat16,
} from '../sdk/core/index.ts'
import { closed } from './ort.ts'
import { QueuedSession } from './queued-session.ts'
import type { Feeds, Graph, OptimizationLevel, Session, SessionOptions, Target, ValueInfo } from './types.ts'

/** `hang` never settles (until its signal or `close`); `wrong` changes every element of every output. */
export type RunFault = 'hang' | 'wrong' | HardpackError
export type CreateFault = 'hang' | HardpackError

export interface FakeCall {
  /** Which call of its kind this is on this target, from 0. */
  readonly index: number
  readonly optimization: OptimizationLevel
}

/** Faults to show, the same for every call or by call. May be changed while the target is in use. */
export interface Faults {
  /** Why the target is not available, or `hang`. */
  probe?: string
  create?: CreateFault | ((call: FakeCall) => CreateFault | undefined)
  run?: RunFault | ((call: FakeCall) => RunFault | undefined)
}

export interface FakeOptions {
  name?: string
  inputs: readonly ValueInfo[]
  outputs: readonly ValueInfo[]
  /** What a run gives. */
  compute(feeds: Feeds, graph: Graph): Record<string, Tensor>
  faults?: Faults
}

export interface FakeTarget extends Target {
  readonly faults: Faults
  /** How often each call was made, and how many sessions are open. */
  readonly counts: { probe: number; create: number; run: number; open: number }
}

const faultOf = <F extends string | HardpackError>(
  fault: F | ((call: FakeCall) => F | undefined) | undefined,
  call: FakeCall,
): F | undefined => (typeof fault === 'function' ? fault(call) : fault)

/** Rejects when the signal fires; else never settles. */
function hang(signal: AbortSignal | undefined): Promise<never> {
  return new Promise((_, reject) => {
    const onAbort = (): void =>
      reject(new HardpackError('ABORTED', 'The call was aborted by its signal.', { cause: signal?.reason }))
    if (signal?.aborted) onAbort()
    else signal?.addEventListener('abort', onAbort, { once: true })
  })
}

/** Far from what it was, at any magnitude. */
const shifted = (value: number): number => value + 1 + Math.abs(value)

const WRONG: Partial<Record<DType, (value: number) => number>> = {
  float32: shifted,
  float64: shifted,
  float16: (bits) => toFloat16(shifted(fromFloat16(bits))),
  bfloat16: (bits) => toBfloat16(shifted(fromBfloat16(bits))),
  bool: (value) => 1 - value,
}

function wrong(tensor: Tensor): Tensor {
  const change = WRONG[tensor.dtype] ?? ((value: number) => value + 1)
  const data = tensor.data.slice()
  for (let i = 0; i < data.length; i++) {
    const value = data[i]!
    data[i] = typeof value === 'bigint' ? value + 1n : change(value)
  }
  return { ...tensor, data }
}

/**
 * A target that does as it is told.
 *
 * @example
 * const target = fake({ inputs, outputs, compute: ({ x }) => ({ y: x! }), faults: { run: 'wrong' } })
 * target.faults.run = undefined // and from now on it is right
 */
export function fake({ name = 'fake', inputs, outputs, compute, faults = {} }: FakeOptions): FakeTarget {
  const counts = { probe: 0, create: 0, run: 0, open: 0 }

  const open = (graph: Graph, optimization: OptimizationLevel): Session => {
    let end: (error: HardpackError) => void = () => undefined
    const ended = new Promise<never>((_, reject) => {
      end = reject
    })
    ended.catch(() => undefined)
    counts.open++

    const session = new QueuedSession({
      inputs,
      outputs,
      async run(feeds, wanted) {
        const fault = faultOf(faults.run, { index: counts.run++, optimization })
        if (fault instanceof HardpackError) throw fault
        if (fault === 'hang') return ended
        const computed = compute(feeds, graph)
        const results = Object.fromEntries(wanted.map((name) => [name, computed[name]]))
        if (fault !== 'wrong') return results
        return Object.fromEntries(Object.entries(results).map(([name, tensor]) => [name, wrong(tensor)]))
      },
      async release() {
        counts.open--
      },
    })
    return {
      inputs,
      outputs,
      run: (feeds, options) => session.run(feeds, options),
      close() {
        // Unlike a real runtime, so that a test which made a run hang can end.
        end(closed())
        return session.close()
      },
    }
  }

  return {
    name,
    faults,
    counts,

    async probe({ signal } = {}) {
      counts.probe++
      if (faults.probe === 'hang') return hang(signal)
      return faults.probe === undefined ? { available: true } : { available: false, reason: faults.probe }
    },

    async create(graph: Graph, { optimization = 'all', signal }: SessionOptions = {}) {
      throwIfAborted(signal)
      const index = counts.create++
      if (faults.probe !== undefined) {
        throw new HardpackError('TARGET_UNAVAILABLE', `Target ${name} expected to work here, got: ${faults.probe}.`)
      }
      const fault = faultOf(faults.create, { index, optimization })
      if (fault instanceof HardpackError) throw fault
      return fault === 'hang' ? hang(signal) : open(graph, optimization)
    },
  }
}
