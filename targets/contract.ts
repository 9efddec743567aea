/**
 * The contract of a target as checks that any implementation is run through: in Node, and inside a page. It needs no test
 * runner; each check passes, fails with a reason, or is skipped with one. A target that is not available here skips
 * every check but the first: an absent adapter is never a pass.
 */

import { HardpackError, messageOf, type Tensor } from '../sdk/core/index.ts'
import * as models from './contract-models.ts'
import { type Feeds, type Graph, OPTIMIZATION_LEVELS, type Session, type Target } from './types.ts'

export interface ContractOptions {
  readonly target: Target
  /** Checks to skip, by name, with the reason. */
  readonly skip?: Readonly<Record<string, string>>
}

export interface ContractResult {
  readonly check: string
  readonly status: 'pass' | 'fail' | 'skip'
  /** Why it failed or was skipped. */
  readonly reason?: string
}

const { float32 } = models

function expect(condition: boolean, message: string): void {
  if (!condition) throw new Error(message)
}

function expectTensor(actual: Tensor | undefined, expected: Tensor, tolerance = 0): void {
  if (!actual) throw new Error('expected a tensor, got nothing')
  expect(actual.dtype === expected.dtype, `expected dtype ${expected.dtype}, got ${actual.dtype}`)
  expect(`${actual.shape}` === `${expected.shape}`, `expected shape [${expected.shape}], got [${actual.shape}]`)
  const kind = (tensor: Tensor): string => tensor.data.constructor.name
  expect(kind(actual) === kind(expected), `expected a ${kind(expected)}, got a ${kind(actual)}`)
  const same = expected.data.every((value, i) => Math.abs(Number(actual.data[i]) - Number(value)) <= tolerance)
  expect(same && actual.data.length === expected.data.length, `expected ${expected.data}, got ${actual.data}`)
}

async function expectCode(code: string, promise: Promise<unknown>): Promise<HardpackError> {
  const error: unknown = await promise.then(
    () => undefined,
    (reason) => reason ?? 'nothing',
  )
  if (error === undefined) throw new Error(`expected ${code}, got a result`)
  if (error instanceof HardpackError && error.code === code) return error
  throw new Error(`expected ${code}, got ${error instanceof HardpackError ? error.code : ''} ${messageOf(error)}`)
}

async function using<T>(target: Target, graph: Graph, body: (session: Session) => Promise<T>): Promise<T> {
  const session = await target.create(graph)
  try {
    return await body(session)
  } finally {
    await session.close()
  }
}

const ARITHMETIC: Feeds = { a: float32([2], 1, 2), b: float32([2], 3, 5) }
const SUM = float32([2], 4, 7)
const PRODUCT = float32([2], 3, 10)
/** Relative to sums of products of small whole numbers, which float32 holds exactly; float16 arithmetic is not allowed. */
const TOLERANCE = 1e-5

const linearRows = (rows: number): Tensor => float32([rows, 3], ...new Array(rows).fill([1, 0, 2]).flat())
const linearResult = (rows: number): Tensor => float32([rows, 2], ...new Array(rows).fill([21, 34]).flat())

/** Every check but that of `probe`, by name. */
const CHECKS: Readonly<Record<string, (target: Target) => Promise<void>>> = {
  'describes inputs and outputs': (target) =>
    using(target, models.dynamicBatch, async ({ inputs, outputs }) => {
      const text = JSON.stringify([inputs, outputs])
      const expected = JSON.stringify([
        [{ name: 'x', dtype: 'float32', shape: ['batch', 3] }],
        [{ name: 'y', dtype: 'float32', shape: ['batch', 2] }],
      ])
      expect(text === expected, `expected ${expected}, got ${text}`)
    }),

  'gives several outputs by name': (target) =>
    using(target, models.arithmetic, async (session) => {
      const outputs = await session.run(ARITHMETIC)
      expect(Object.keys(outputs).length === 2, `expected 2 outputs, got ${Object.keys(outputs)}`)
      expectTensor(outputs.sum, SUM)
      expectTensor(outputs.product, PRODUCT)
    }),

  'hands over only the outputs asked for': (target) =>
    using(target, models.arithmetic, async (session) => {
      const outputs = await session.run(ARITHMETIC, { outputs: ['product'] })
      expect(Object.keys(outputs).join() === 'product', `expected product alone, got ${Object.keys(outputs)}`)
      expectTensor(outputs.product, PRODUCT)
      for (const wanted of [['quotient'], []]) {
        await expectCode('INVALID_INPUT', session.run(ARITHMETIC, { outputs: wanted }))
      }
    }),

  'leaves the feeds as they were': (target) =>
    using(target, models.arithmetic, async (session) => {
      const a = float32([2], 1, 2)
      await session.run({ ...ARITHMETIC, a })
      expectTensor(a, float32([2], 1, 2))
    }),

  'runs what the feeds were when it was called': (target) =>
    using(target, models.arithmetic, async (session) => {
      const a = float32([2], 1, 2)
      const runs = [session.run({ ...ARITHMETIC, a }), session.run({ ...ARITHMETIC, a })]
      a.data.fill(100 as never)
      for (const run of runs) expectTensor((await run).sum, SUM)
    }),

  'takes feeds that are views into larger memory': (target) =>
    using(target, models.arithmetic, async (session) => {
      const memory = Float32Array.of(9, 1, 2, 9)
      const outputs = await session.run({
        ...ARITHMETIC,
        a: { dtype: 'float32', shape: [2], data: memory.subarray(1, 3) },
      })
      expectTensor(outputs.sum, SUM)
      expect(memory.length === 4, 'the memory was taken away')
    }),

  'takes any size of a symbolic dimension': (target) =>
    using(target, models.dynamicBatch, async (session) => {
      for (const rows of [1, 3, 2]) {
        expectTensor((await session.run({ x: linearRows(rows) })).y, linearResult(rows), TOLERANCE)
      }
    }),

  'takes scalars and unnamed dimensions': (target) =>
    using(target, models.scaling, async (session) => {
      const shapes = JSON.stringify(session.inputs.map(({ shape }) => shape))
      expect(shapes === '[[],[""]]', `expected shapes [] and [""], got ${shapes}`)
      const { y } = await session.run({ factor: float32([], 3), x: float32([2], 1, -2) })
      expectTensor(y, float32([2], 3, -6), TOLERANCE)
    }),

  'runs a convolution': (target) =>
    using(target, models.convolution, async (session) => {
      const image = float32([1, 1, 3, 3], 1, 2, 3, 4, 5, 6, 7, 8, -40)
      const outputs = await session.run({ image })
      expectTensor(outputs.y, float32([1, 1, 2, 2], 12, 16, 24, 0), TOLERANCE)
    }),

  'takes and gives int64, uint8 and bool': (target) =>
    using(target, models.integers, async (session) => {
      const outputs = await session.run({
        table: { dtype: 'uint8', shape: [4], data: Uint8Array.of(10, 20, 30, 255) },
        index: { dtype: 'int64', shape: [3], data: BigInt64Array.of(3n, 0n, 1n) },
      })
      expectTensor(outputs.picked, { dtype: 'uint8', shape: [3], data: Uint8Array.of(255, 10, 20) })
      expectTensor(outputs.doubled, { dtype: 'int64', shape: [3], data: BigInt64Array.of(6n, 0n, 2n) })
      expectTensor(outputs.nonzero, { dtype: 'bool', shape: [3], data: Uint8Array.of(1, 0, 1) })
    }),

  'takes and gives float16 as bit patterns': (target) =>
    using(target, models.halfPrecision, async (session) => {
      const x: Tensor = { dtype: 'float16', shape: [2], data: Uint16Array.of(0x3c00, 0xc100) }
      const outputs = await session.run({ x })
      expectTensor(outputs.y, float32([2], 1, -2.5))
      expectTensor(outputs.same, x)
    }),

  'reads external data, more than once': async (target) => {
    for (let time = 0; time < 2; time++) {
      await using(target, models.externalWeight, async (session) => {
        expectTensor((await session.run({ x: linearRows(2) })).y, linearResult(2), TOLERANCE)
      })
    }
  },

  'runs at every optimization level': async (target) => {
    for (const optimization of OPTIMIZATION_LEVELS) {
      const session = await target.create(models.convolution, { optimization })
      const outputs = await session.run({ image: float32([1, 1, 3, 3], 1, 1, 1, 1, 1, 1, 1, 1, 1) })
      await session.close()
      expectTensor(outputs.y, float32([1, 1, 2, 2], 4, 4, 4, 4), TOLERANCE)
    }
  },

  'refuses feeds that do not fit': (target) =>
    using(target, models.arithmetic, async (session) => {
      const b = float32([2], 1, 1)
      const wrong: Record<string, Feeds> = {
        'missing input': { b },
        'unknown input': { a: b, b, c: b },
        'wrong type': { a: { dtype: 'int32', shape: [2], data: Int32Array.of(1, 2) }, b },
        'wrong rank': { a: float32([1, 2], 1, 2), b },
        'wrong dimension': { a: float32([3], 1, 2, 3), b },
        'too few elements': { a: float32([2], 1), b },
        NaN: { a: float32([2], 1, Number.NaN), b },
        infinity: { a: float32([2], Number.NEGATIVE_INFINITY, 1), b },
      }
      for (const [what, feeds] of Object.entries(wrong)) {
        await expectCode('INVALID_INPUT', session.run(feeds)).catch((error) => {
          throw new Error(`${what}: ${messageOf(error)}`)
        })
      }
      expectTensor((await session.run(ARITHMETIC)).sum, SUM)
    }),

  'refuses bytes that are no graph': async (target) => {
    const error = await expectCode('UNSUPPORTED_MODEL', target.create(models.garbage))
    expect(/protobuf/i.test(error.message), `expected the runtime's reason, got ${error.message}`)
  },

  'refuses an operator that it lacks, by name': async (target) => {
    const error = await expectCode('UNSUPPORTED_MODEL', target.create(models.unknownOperator))
    expect(error.message.includes('NoSuchOperator'), `expected the operator's name, got ${error.message}`)
  },

  'refuses a graph whose output is a string': async (target) => {
    await expectCode('UNSUPPORTED_MODEL', target.create(models.strings))
  },

  'refuses a graph without its external data': async (target) => {
    await expectCode('UNSUPPORTED_MODEL', target.create({ model: models.externalWeight.model }))
  },

  'serves 16 concurrent runs in order': (target) =>
    using(target, models.arithmetic, async (session) => {
      const order: number[] = []
      const runs = Array.from({ length: 16 }, async (_, i) => {
        const { sum } = await session.run({ ...ARITHMETIC, a: float32([2], i, -i) })
        order.push(i)
        expectTensor(sum, float32([2], i + 3, 5 - i))
      })
      await Promise.all(runs)
      expect(
        order.every((value, i) => value === i),
        `expected calls answered in order, got ${order}`,
      )
    }),

  'runs two sessions at once': (target) =>
    using(target, models.arithmetic, (first) =>
      using(target, models.dynamicBatch, async (second) => {
        const [one, two] = await Promise.all([first.run(ARITHMETIC), second.run({ x: linearRows(1) })])
        expectTensor(one.product, PRODUCT)
        expectTensor(two.y, linearResult(1), TOLERANCE)
      }),
    ),

  'answers BUSY when its queue is full, and serves the rest': (target) =>
    using(target, models.arithmetic, async (session) => {
      const runs = await Promise.allSettled(Array.from({ length: 65 }, () => session.run(ARITHMETIC)))
      const refused = runs.filter((run) => run.status === 'rejected')
      expect(refused.length === 1, `expected 1 of 65 calls refused, got ${refused.length}`)
      await expectCode('BUSY', Promise.reject(refused[0]?.reason))
    }),

  'drops an aborted call and serves the others': (target) =>
    using(target, models.arithmetic, async (session) => {
      const controller = new AbortController()
      const runs = [
        session.run(ARITHMETIC),
        session.run(ARITHMETIC, { signal: controller.signal }),
        session.run(ARITHMETIC),
      ] as const
      controller.abort()
      await expectCode('ABORTED', runs[1])
      expectTensor((await runs[0]).sum, SUM)
      expectTensor((await runs[2]).sum, SUM)
      await expectCode('ABORTED', session.run(ARITHMETIC, { signal: AbortSignal.abort() }))
    }),

  'gives up creating when aborted': async (target) => {
    await expectCode('ABORTED', target.create(models.arithmetic, { signal: AbortSignal.abort() }))
  },

  'closes once, and not before the running call has ended': async (target) => {
    const session = await target.create(models.arithmetic)
    const running = session.run(ARITHMETIC)
    const waiting = expectCode('CLOSED', session.run(ARITHMETIC))
    const [outputs] = await Promise.all([running, waiting, session.close(), session.close()])
    await session.close()
    expectTensor(outputs.sum, SUM)
    await expectCode('CLOSED', session.run(ARITHMETIC))
  },

  'creates a session after the last one was closed': async (target) => {
    for (let time = 0; time < 2; time++) {
      await using(target, models.arithmetic, async (session) => expectTensor((await session.run(ARITHMETIC)).sum, SUM))
    }
  },
}

/** The names of the checks, in the order in which they run. */
export const CONTRACT_CHECKS: readonly string[] = ['says whether it is available', ...Object.keys(CHECKS)]

/**
 * Runs a target through every check, one after the other.
 *
 * @example
 * for (const { check, status, reason } of await contractSuite({ target: node() })) assert.equal(status, 'pass', reason)
 */
export async function contractSuite({ target, skip = {} }: ContractOptions): Promise<ContractResult[]> {
  for (const name of Object.keys(skip)) {
    if (!CONTRACT_CHECKS.includes(name)) {
      throw new HardpackError('INVALID_ARGUMENT', `The contract expected the name of a check to skip, got "${name}".`)
    }
  }
  const probe = await target.probe()
  const shaped = typeof probe.available === 'boolean' && (probe.available || Boolean(probe.reason))
  const results: ContractResult[] = [
    shaped
      ? { check: CONTRACT_CHECKS[0]!, status: 'pass' }
      : {
          check: CONTRACT_CHECKS[0]!,
          status: 'fail',
          reason: `an unavailable target says why, got ${JSON.stringify(probe)}`,
        },
  ]
  for (const [check, body] of Object.entries(CHECKS)) {
    const reason = probe.available ? skip[check] : `target ${target.name} is not available: ${probe.reason}`
    if (reason !== undefined) results.push({ check, status: 'skip', reason })
    else results.push(await outcome(check, () => body(target)))
  }
  return results
}

async function outcome(check: string, body: () => Promise<void>): Promise<ContractResult> {
  try {
    await body()
    return { check, status: 'pass' }
  } catch (error) {
    return { check, status: 'fail', reason: messageOf(error) }
  }
}
