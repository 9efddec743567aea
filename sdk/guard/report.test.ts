import assert from 'node:assert/strict'
import { test } from 'node:test'
import { evaluationTable } from '../cli/evaluation-table.ts'
import type { Tensor } from '../core/index.ts'
import { decodePicture, pictureFormat, type SampleSet, tensorSamples } from '../pack/samples/index.ts'
import { html } from '../report/html.ts'
import { assertBalanced } from '../report/well-formed.fixture.ts'
import { SHIFTS } from './changes.ts'
import { evaluateGuard } from './evaluate.ts'
import type { Evaluation } from './evaluation.ts'
import type { Judge } from './judged.ts'
import { evaluationPictures, pictureKey } from './pictures.ts'
import { evaluationReport } from './report.ts'
import { LIMITS, percent, pText, summarise } from './summary.ts'

const format = pictureFormat({ name: 'x', dtype: 'float32', shape: ['n', 1, 2, 2] })

/** Pictures of one brightness each, dark ones clean. */
function pictures(name: string, values: number[]): SampleSet {
  const data = Float32Array.from({ length: 4 * values.length }, (_, i) => values[Math.floor(i / 4)])
  return tensorSamples(name, { dtype: 'float32', shape: [values.length, 1, 2, 2], data }, format)
}

const judge: Judge = async ({ data, shape }: Tensor) =>
  Array.from({ length: shape[0] }, (_, i) => {
    const score = Number(data[4 * i])
    const p = Math.max(0.001, 1 - score)
    return { action: p <= 0.05 ? 'reject' : 'accept', p, reasons: [{ detector: EVIL, score, p }] }
  })

const EVIL = '<script>alert("1")</script>&\u202e'

const clean = pictures(
  'clean',
  Array.from({ length: 40 }, (_, i) => i / 41),
)
const sets = {
  clean,
  ood: {
    'a < b & "c"': pictures(
      'other',
      Array.from({ length: 20 }, (_, i) => 0.5 + i / 38),
    ),
  },
  attacked: { 'PGD, ε = 0.1': pictures('attack', [0.97, 0.99]) },
  shifts: SHIFTS.slice(0, 3),
}
const evaluated = (): Promise<Evaluation> =>
  evaluateGuard(judge, sets, { subject: `${EVIL}.onnx`, alphas: [0.1, 0.05], calibrated: 500, examples: 3 })

test('a report is one well-formed page that fetches nothing and runs nothing, whatever names come from files', async () => {
  const evaluation = await evaluated()
  const page = evaluationReport(evaluation, await evaluationPictures(evaluation, sets))
  assertBalanced(page)
  assert.doesNotMatch(page, /<script|javascript:|\son[a-z]+=|<link|<iframe|@import|url\(/i)
  assert.doesNotMatch(page, /(?:src|href)="(?!data:image\/png;base64,)/)
  assert.doesNotMatch(page, /\bhttps?:/)
  assert.match(page, /&lt;script&gt;alert\(&quot;1&quot;\)&lt;\/script&gt;&amp;\ufffd/)
  assert.match(page, /a &lt; b &amp; &quot;c&quot;/)
  assert.doesNotMatch(page, /NaN|undefined|Infinity|\[object/)
  for (const sentence of LIMITS) assert.ok(page.includes(sentence), sentence)
})

test('pictures are those of the inputs that stand out', async () => {
  const evaluation = await evaluated()
  const found = await evaluationPictures(evaluation, sets)
  const [strangest] = evaluation.sets[1].suspicious
  const { source, width, height } = found[pictureKey('PGD, ε = 0.1', strangest.index)]
  const { rgba } = decodePicture(Buffer.from(source.slice(source.indexOf(',') + 1), 'base64'), 'picture')
  assert.deepEqual([strangest.index, width, height, rgba[0]], [1, 2, 2, Math.round(0.99 * 255)])
  const page = evaluationReport(evaluation, found)
  // 3 clean; 3 and 3 of the one set; 2 and 2 of the other, which has no more.
  assert.equal([...page.matchAll(/<img /g)].length, 13)
  assert.doesNotMatch(evaluationReport(evaluation), /<img/)
})

test('a report needs neither sets nor shifts nor a known calibration', async () => {
  const page = evaluationReport(await evaluateGuard(judge, { clean }, { subject: 'm' }))
  assertBalanced(page)
  assert.match(page, /is not known, so no band is drawn/)
  assert.doesNotMatch(page, /harmless changes<\/h2>|What the guard as a whole finds/)
})

test('the summary says what the figures say', async () => {
  const evaluation = await evaluated()
  const [first, ...others] = summarise(evaluation).map((sentence) => sentence.replaceAll('\u00a0', ' '))
  // 1 − i/41 ≤ 0.1 for i = 37, 38, 39.
  assert.match(
    first,
    /^At α = 0\.1 the guard raised an alarm on 3 of 40 clean inputs \(7\.5 %\), inside the .* 500 calibration samples allows\.$/,
  )
  assert.equal(others[0], 'Of inputs from elsewhere it raised an alarm on 20.0 % (a < b & "c").')
  assert.equal(others[1], 'Of attacked inputs it raised an alarm on 100.0 % (PGD, ε = 0.1).')
  // Brighter by 25.5 of 255: 1 − i/41 − 0.1 ≤ 0.1 from i = 33 on.
  assert.equal(others[2], 'Under harmless changes, alarms on clean inputs reached 17.5 % (brightness +10 %).')
  const rows = evaluation.clean.rows.map((row) => ({
    ...row,
    alarms: row.alarms.map((alarm) => ({ ...alarm, share: 0.9 })),
  }))
  assert.match(summarise({ ...evaluation, clean: { ...evaluation.clean, rows } })[0], /above the .* not like those/)
})

test('figures read as people write them', () => {
  assert.deepEqual([percent(0.0382), percent(1)], ['3.8\u00a0%', '100.0\u00a0%'])
  assert.deepEqual([0, 1, 0.8, 0.00123, 0.0000123].map(pText), ['0', '1.0', '0.80', '0.0012', '1.2e-5'])
})

test('templates escape text and keep markup', () => {
  const inner = html`<b>${'<'}</b>`
  assert.equal(
    html`<p title="${`"'`}">${inner}${[1, inner]}${false}${undefined}${'\0'}</p>`.text,
    '<p title="&quot;&#39;"><b>&lt;</b>1<b>&lt;</b>\ufffd</p>',
  )
})

test('the table of the terminal keeps to 100 columns and lines up', async () => {
  const evaluation = await evaluated()
  const lines = evaluationTable(evaluation).split('\n')
  const summary = summarise(evaluation)
  const tables = lines.slice(0, lines.indexOf(summary[0]))
  for (const line of tables) assert.ok([...line].length <= 100, line)
  assert.match(lines[0], /^clean inputs, false alarms in % +inputs +α 0\.1 +band +α 0\.05 +band$/)
  assert.match(lines[1], /^guard as a whole +40 +7\.5 +\d+\.\d–\d+\.\d +inside/)
  assert.ok(
    tables.some((line) => /^a < b & "c" +guard as a whole +20 +\d+\.\d +\d+\.\d +20\.0 +10\.0$/.test(line)),
    lines.join('\n'),
  )
  assert.ok(
    tables.some((line) => /^brightness \+10 % +17\.5 +12\.5$/.test(line)),
    lines.join('\n'),
  )
  assert.equal(lines.at(-1), `Note: ${LIMITS[0]}`)
})
