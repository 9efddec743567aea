import assert from 'node:assert/strict'
import { test } from 'node:test'
import { assertBalanced } from '../report/well-formed.fixture.ts'
import { tradeOffChart } from './charts.ts'
import { pruneReport } from './report.ts'
import type { FilePruneReport } from './report-data.ts'
import { percent, remains, short, summarise } from './summary.ts'

const EVIL = '<script>alert("1")</script>&\u202e'

const report: FilePruneReport = {
  subject: EVIL,
  generator: 'hardpack 0.1.0',
  method: 'default',
  criterion: 'removal-loss',
  refit: true,
  samples: 512,
  seconds: 41.3,
  budget: { kind: 'flops', remain: 0.5, reached: 0.498 },
  align: 8,
  source: { name: 'images', synthetic: false },
  cost: { before: { macs: 125_485_706, parameters: 853_018 }, after: { macs: 62_400_000, parameters: 401_234 } },
  layers: [
    {
      name: 'stem',
      op: 'Conv',
      channels: [16, 16],
      inputs: [3, 3],
      macs: [442_368, 442_368],
      parameters: [448, 448],
      fidelity: 1,
    },
    {
      name: EVIL,
      op: 'Conv',
      channels: [64, 24],
      inputs: [16, 16],
      macs: [9_437_184, 3_538_944],
      parameters: [9_216, 3_456],
      bytes: [30_111, 11_400],
      fidelity: 0.71,
    },
  ],
  groups: [{ name: EVIL, units: [64, 24], width: 1 }],
  branches: [],
  frozen: [{ op: 'Loop', node: EVIL, reason: 'not understood', channels: 12, macs: 1_000_000 }],
  agreement: { samples: 512, unseen: true, disagreement: 0.018, kl: 0.03 },
  curve: Array.from({ length: 11 }, (_, i) => ({
    remain: 1 - 0.05 * i,
    kl: 0.0005 * i * i,
    ...(i > 8 ? { disagreement: 0.0003 * i * i } : {}),
  })),
  bytes: { onnx: [3_439_046, 1_640_000], packed: [2_810_031, 1_330_122] },
  latency: {
    target: 'node',
    before: { milliseconds: 9.12, ratio: 1, spread: [1, 1], rounds: 60 },
    after: { milliseconds: 4.87, ratio: 0.534, spread: [0.52, 0.55], rounds: 60 },
  },
  warnings: ['Pruned on few samples.'],
}

test('a report is one well-formed page that fetches and runs nothing, whatever names come from the model', () => {
  const page = pruneReport(report)
  assertBalanced(page)
  assert.doesNotMatch(page, /<script|javascript:|\son[a-z]+=|<link|<iframe|@import|url\(|\bhttps?:/i)
  assert.doesNotMatch(page, /NaN|undefined|Infinity|\[object/)
  assert.match(page, /&lt;script&gt;alert\(&quot;1&quot;\)&lt;\/script&gt;&amp;\ufffd/)
  for (const text of [
    'Pruned on few samples.',
    '64 → 24',
    '9.44 M → 3.54 M',
    '30.1 k → 11.4 k',
    '98.2 %',
    '0.53',
    'Loop',
  ])
    assert.ok(page.includes(text), text)
  assert.match(page, /<td class="n bad">0\.710/)
  assert.match(page, /<tr class="same"><th scope="row">stem/)
})

test('what is not known is left out: no curve, no bytes, no classes, nothing frozen', () => {
  const page = pruneReport({
    ...report,
    curve: [],
    frozen: [],
    layers: report.layers.map(({ bytes: _, fidelity: __, ...rest }) => rest),
    agreement: { samples: 9, unseen: false, disagreement: 0.25 },
  })
  assertBalanced(page)
  assert.doesNotMatch(page, /NaN|undefined|The trade-off|could not be touched|packed bytes<\/th>/)
  assert.match(page, /relative change of outputs/)
})

test('a report in words', () => {
  const [asked, cost, time, agreement] = summarise(report)
  assert.equal(asked, 'Asked to keep 50 % of the MACs, and kept 49.8 %.')
  assert.match(cost, /49\.7 % of the MACs \(125 M → 62\.4 M\) and has 47\.0 % of the parameters/)
  assert.match(time, /0\.53 of the time \(9\.12 ms → 4\.87 ms on node\), and its package 47\.3 % of the bytes/)
  assert.equal(
    agreement,
    "On 512 samples that it was not fitted to, its answer differs from the original's in 1.8 % of cases.",
  )
  const gone = (branches: string[]) => summarise({ ...report, branches })[2]
  assert.equal(gone(['a']), 'A residual branch is gone as a whole.')
  assert.equal(gone(['a', 'b']), '2 residual branches are gone as a whole.')
  const sized = summarise({ ...report, budget: { kind: 'bytes', size: 2_000_000, reached: 0.7 } })
  assert.match(sized[0], /^Asked to keep 2,000,000 bytes, and kept 70\.0 %/)
})

test('numbers as people read them', () => {
  assert.deepEqual([999, 1000, 12_345, 123_456, 9_437_184, 4e9].map(short), [
    '999',
    '1.00 k',
    '12.3 k',
    '123 k',
    '9.44 M',
    '4.00 G',
  ])
  assert.equal(percent(0.12345), '12.3 %')
  assert.deepEqual([remains([4, 1]), remains([0, 0])], [0.25, 1])
})

test('the trade-off curve: from the whole on the left to what is left on the right', () => {
  const chart = tradeOffChart(
    [
      { remain: 0.5, value: 0.06, measured: true },
      { remain: 0.6, value: 0.1, measured: false },
    ],
    { xTitle: 'x', yTitle: 'y' },
  ).text
  assertBalanced(chart)
  const [, x, y] = /class="ring" cx="([\d.]+)" cy="([\d.]+)"/.exec(chart) ?? []
  assert.equal(x, '598.0')
  assert.ok(Number(y) > 80 && Number(y) < 140, y)
  assert.match(chart, /class="curve d1" d="M64,250L491\.2,/)
})
