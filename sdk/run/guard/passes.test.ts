import assert from 'node:assert/strict'
import { test } from 'node:test'
import { LOGITS_INPUT } from '../../../detectors/tier-names.ts'
import { fake } from '../../../targets/fake.ts'
import type { Feeds, Session, ValueInfo } from '../../../targets/types.ts'
import { type DType, HardpackError, type Tensor, toFloat16 } from '../../core/index.ts'
import { firstOutputs, runPasses } from './passes.ts'

const ENTRY = {
  tiers: [
    { graph: 1, low: 0, high: 1 },
    { graph: 2, low: 0, high: 1 },
    { graph: 3, low: 0, high: 1 },
  ],
  detectors: [0, 1, 2].map((tier) => ({
    name: `d${tier}`,
    kind: 'k',
    tier,
    score: 'score',
    twoSided: false,
    parameters: [],
  })),
  logits: 'logits',
}

const column = (values: readonly number[]): Tensor => ({
  dtype: 'float32',
  shape: [values.length],
  data: Float32Array.from(values),
})

const FIRST = { feeds: {}, outputs: firstOutputs(ENTRY, []) }

interface Seen {
  readonly rows: number[][]
}

/** Three passes over x `[n, 2]`; the first gives 0, 1, 2, … as logits, so that a later one knows which samples it sees. */
async function sessionsOf(
  dtype: DType,
  {
    batch = 'n',
    fails = () => undefined,
  }: { batch?: number | string; fails?: (tier: number) => HardpackError | undefined } = {},
): Promise<{ sessions: Session[]; seen: Seen[]; feeds: Feeds[] }> {
  const x: ValueInfo = { name: 'x', dtype, shape: [batch, 2] }
  const logits: ValueInfo = { name: LOGITS_INPUT, dtype: 'float32', shape: [batch, 1] }
  const seen: Seen[] = [{ rows: [] }, { rows: [] }, { rows: [] }]
  const feeds: Feeds[] = []
  const sessions = await Promise.all(
    [0, 1, 2].map((tier) =>
      fake({
        inputs: tier === 0 ? [x] : [x, logits],
        outputs: ['score', ...(tier === 0 ? ['logits'] : [])].map((name) => ({
          name,
          dtype: 'float32',
          shape: [batch],
        })),
        compute(given) {
          const fault = fails(tier)
          if (fault) throw fault
          const [count] = given.x.shape
          const rows =
            tier === 0 ? Array.from({ length: count }, (_, i) => i) : Array.from(given[LOGITS_INPUT].data, Number)
          seen[tier].rows.push(rows)
          feeds.push(given)
          const values = column(rows.map((row) => 10 * tier + row))
          return { score: values, logits: { ...values, shape: [count, 1] } }
        },
      }).create({ model: new Uint8Array() }),
    ),
  )
  return { sessions, seen, feeds }
}

const DTYPES: [DType, Tensor['data']][] = [
  ['float32', Float32Array.from({ length: 8 }, (_, i) => i)],
  ['float16', Uint16Array.from({ length: 8 }, (_, i) => toFloat16(i))],
  ['float64', Float64Array.from({ length: 8 }, (_, i) => i)],
  ['uint8', Uint8Array.from({ length: 8 }, (_, i) => i)],
  ['int64', BigInt64Array.from({ length: 8 }, (_, i) => BigInt(i))],
]

test('a pass sees the samples that need it, whatever their type', async () => {
  for (const [dtype, data] of DTYPES) {
    const { sessions, seen, feeds } = await sessionsOf(dtype)
    const x: Tensor = { dtype, shape: [4, 2], data }
    const wanted = new Map([
      [1, [1, 3]],
      [2, [3]],
    ])
    const { scores, samples } = await runPasses(ENTRY, sessions, { x }, FIRST, (tier, _, sample) =>
      wanted.get(tier)!.includes(sample),
    )
    assert.equal(samples, 4)
    assert.deepEqual(
      seen.map(({ rows }) => rows),
      [[[0, 1, 2, 3]], [[1, 3]], [[3]]],
    )
    assert.deepEqual(feeds[1].x.shape, [2, 2])
    assert.deepEqual([...feeds[1].x.data], [...data.slice(2, 4), ...data.slice(6, 8)], dtype)
    assert.deepEqual(
      scores.map((list) => [...list]),
      [
        [0, 1, 2, 3],
        [Number.NaN, 11, Number.NaN, 13],
        [Number.NaN, Number.NaN, Number.NaN, 23],
      ],
    )
  }
})

test('a graph of a fixed batch sees all samples, and gives scores to those that need it', async () => {
  const { sessions, seen } = await sessionsOf('float32', { batch: 4 })
  const x: Tensor = { dtype: 'float32', shape: [4, 2], data: new Float32Array(8) }
  const { scores, failure } = await runPasses(
    ENTRY,
    sessions,
    { x },
    FIRST,
    (tier, _, sample) => tier === 1 && sample === 2,
  )
  assert.deepEqual([failure, seen[1].rows], [undefined, [[0, 1, 2, 3]]])
  assert.deepEqual([...scores[1]], [Number.NaN, Number.NaN, 12, Number.NaN])
})

test('a pass that fails is told, those behind it run; the first one and errors of the call throw', async () => {
  const x: Tensor = { dtype: 'float32', shape: [4, 2], data: new Float32Array(8) }
  const failing = (at: number, code: 'TARGET_FAILED' | 'ABORTED') =>
    sessionsOf('float32', {
      fails: (tier) => (tier === at ? new HardpackError(code, 'The pass expected luck, got none.') : undefined),
    })
  const { sessions } = await failing(1, 'TARGET_FAILED')
  const { scores, failure } = await runPasses(ENTRY, sessions, { x }, FIRST, () => true)
  assert.match(failure ?? '', /Tier 1 of the guard failed: The pass expected luck/)
  assert.deepEqual([...scores[1]], [Number.NaN, Number.NaN, Number.NaN, Number.NaN])
  assert.deepEqual([...scores[2]], [20, 21, 22, 23])
  await assert.rejects(
    runPasses(ENTRY, (await failing(0, 'TARGET_FAILED')).sessions, { x }, FIRST, () => true),
    { code: 'TARGET_FAILED' },
  )
  await assert.rejects(
    runPasses(ENTRY, (await failing(2, 'ABORTED')).sessions, { x }, FIRST, () => true),
    { code: 'ABORTED' },
  )
})

test('the logits are handed over where a later pass takes them', async () => {
  const { sessions } = await sessionsOf('float32')
  const x: Tensor = { dtype: 'float32', shape: [4, 2], data: new Float32Array(8) }
  const only = { ...ENTRY, tiers: ENTRY.tiers.slice(0, 1), detectors: ENTRY.detectors.slice(0, 1) }
  const names = async (entry: typeof ENTRY): Promise<string[]> => {
    const first = { feeds: {}, outputs: firstOutputs(entry, []) }
    return Object.keys((await runPasses(entry, sessions, { x }, first, () => false)).outputs)
  }
  assert.deepEqual([await names(only), await names(ENTRY)], [['score'], ['score', 'logits']])
})
