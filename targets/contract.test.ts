import assert from 'node:assert/strict'
import { test } from 'node:test'
import { HardpackError } from '../sdk/core/index.ts'
import { CONTRACT_CHECKS, contractSuite } from './contract.ts'
import { fake } from './fake.ts'
import { node } from './node.ts'
import type { Session, Target } from './types.ts'

const real = node({ threads: 1 })

/** The node target with a part of each session replaced. */
const broken = (replace: (session: Session) => Partial<Session>): Target => ({
  ...real,
  async create(graph, options) {
    const session = await real.create(graph, options)
    return {
      inputs: session.inputs,
      outputs: session.outputs,
      run: (feeds, options) => session.run(feeds, options),
      close: () => session.close(),
      ...replace(session),
    }
  },
})

const failuresOf = async (target: Target): Promise<string[]> => {
  const results = await contractSuite({ target })
  for (const { status, reason } of results) assert.ok(status === 'pass' || reason, 'what does not pass has its reason')
  return results.filter(({ status }) => status === 'fail').map(({ check }) => check)
}

const mutants: Record<string, { target: Target; caughtBy: string }> = {
  'a result off by one': {
    target: broken((session) => ({
      async run(feeds, options) {
        const outputs = await session.run(feeds, options)
        for (const { data } of Object.values(outputs)) if (data instanceof Float32Array) data[0]! += 1
        return outputs
      },
    })),
    caughtBy: 'runs a convolution',
  },
  'a NaN result': {
    target: broken((session) => ({
      async run(feeds, options) {
        const outputs = await session.run(feeds, options)
        for (const { data } of Object.values(outputs)) if (data instanceof Float32Array) data[0] = Number.NaN
        return outputs
      },
    })),
    caughtBy: 'takes any size of a symbolic dimension',
  },
  'feeds that are changed': {
    target: broken((session) => ({
      async run(feeds, options) {
        const outputs = await session.run(feeds, options)
        feeds.a?.data.fill(0 as never)
        return outputs
      },
    })),
    caughtBy: 'leaves the feeds as they were',
  },
  'calls answered in the wrong order': {
    target: broken((session) => ({
      async run(feeds, options) {
        const outputs = await session.run(feeds, options)
        if (feeds.a?.data[0] === 3) await new Promise((resolve) => setImmediate(resolve))
        if (feeds.a?.data[0] === 3) await session.run(feeds)
        return outputs
      },
    })),
    caughtBy: 'serves 16 concurrent runs in order',
  },
  'an unlimited queue': {
    target: broken((session) => {
      let last: Promise<unknown> = Promise.resolve()
      return {
        run(feeds, options) {
          const result = last.then(() => session.run(feeds, options))
          last = result.catch(() => undefined)
          return result
        },
      }
    }),
    caughtBy: 'answers BUSY when its queue is full, and serves the rest',
  },
  'signals that are ignored': {
    target: broken((session) => ({ run: (feeds) => session.run(feeds) })),
    caughtBy: 'drops an aborted call and serves the others',
  },
  'a close that does nothing': {
    target: broken(() => ({ close: async () => undefined })),
    caughtBy: 'closes once, and not before the running call has ended',
  },
  'an untyped error': {
    target: {
      ...real,
      create: (graph, options) =>
        real.create(graph, options).catch((error) => {
          throw new Error(error.message)
        }),
    },
    caughtBy: 'refuses bytes that are no graph',
  },
  'an optimization level that fails': {
    target: {
      ...real,
      async create(graph, options) {
        if (options?.optimization === 'extended') throw new HardpackError('TARGET_FAILED', 'no such level')
        return real.create(graph, options)
      },
    },
    caughtBy: 'runs at every optimization level',
  },
}

for (const [what, { target, caughtBy }] of Object.entries(mutants)) {
  test(`the contract catches ${what}`, async () => {
    const failures = await failuresOf(target)
    assert.ok(failures.includes(caughtBy), `expected "${caughtBy}" to fail, got: ${failures.join('; ') || 'none'}`)
  })
}

test('an absent target skips every check with its reason, and passes none of them', async () => {
  const target = fake({ inputs: [], outputs: [], compute: () => ({}), faults: { probe: 'no adapter' } })
  const [first, ...rest] = await contractSuite({ target })
  assert.equal(first!.status, 'pass')
  assert.deepEqual([first!.check, ...rest.map(({ check }) => check)], CONTRACT_CHECKS)
  for (const { status, reason } of rest) {
    assert.equal(status, 'skip')
    assert.match(reason ?? '', /no adapter/)
  }
})

test('a skip needs the name of a check', async () => {
  await assert.rejects(contractSuite({ target: real, skip: { 'no such check': 'why' } }), { code: 'INVALID_ARGUMENT' })
  const check = CONTRACT_CHECKS[1]!
  const results = await contractSuite({ target: real, skip: { [check]: 'why' } })
  assert.deepEqual(results[1], { check, status: 'skip', reason: 'why' })
})
