/**
 * An evaluation as one HTML file that needs nothing else: no script, no font, no picture from outside, so it opens offline,
 * prints, and can be mailed. What holds of every guard stands above the figures.
 */

import { html, Markup } from '../report/html.ts'
import { STYLE } from '../report/style.ts'
import { bandChart, colourOf, histogramChart, rocChart } from './charts.ts'
import {
  type AttackResult,
  COMBINED,
  type DetectionRow,
  type Evaluation,
  type Example,
  type Measured,
  type SetResult,
  type Share,
  type ShareAtAlpha,
} from './evaluation.ts'
import { pictureKey, type ReportPictures } from './pictures.ts'
import { LIMITS, percent, pText, summarise, whole } from './summary.ts'

/** Pictures wider than this are shown smooth, others as pixels. */
const TINY = 64

/**
 * The report of an evaluation.
 *
 * @param pictures of the inputs that stand out, from `evaluationPictures`; without them they are listed by name
 * @returns a whole HTML document
 * @example
 * await writeFile('report.html', evaluationReport(evaluation, await evaluationPictures(evaluation, sets)))
 */
export function evaluationReport(evaluation: Evaluation, pictures: ReportPictures = {}): string {
  const { subject, clean, sets } = evaluation
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width,initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<title>Guard of ${subject}: evaluation</title>
<style>${new Markup(STYLE)}</style>
</head>
<body>
<main>
<header>
<p class="eyebrow">Evaluation of a guard</p>
<h1>${subject}</h1>
<p class="lead">${summarise(evaluation).join(' ')}</p>
</header>
<section class="limits">
<h2>What holds of every such guard</h2>
<ul>${LIMITS.map((sentence) => html`<li>${sentence}</li>`)}</ul>
</section>
${overview(evaluation)}
${attackSection(evaluation)}
${cleanSection(evaluation)}
${shiftSection(evaluation)}
${sets.map((set) => setSection(set, evaluation, pictures))}
<section>
<h2>Clean inputs that stand out</h2>
<p class="soft">The clean inputs with the smallest p-values: false alarms, wrong labels, or inputs that the model should not have to answer for.</p>
${exampleList(clean.name, clean.suspicious, pictures)}
</section>
${definitions()}
</main>
</body>
</html>
`.text
}

const combinedOf = ({ rows }: SetResult): DetectionRow | undefined => rows.find(({ detector }) => detector === COMBINED)

/** `40.1–52.2`, to stand small beside a share. */
const interval = (low: number, high: number): Markup =>
  html`<small>${(100 * low).toFixed(1)}–${(100 * high).toFixed(1)}</small>`

const shareCell = ({ share, low, high }: Share): Markup =>
  html`<td class="n">${percent(share)}${interval(low, high)}</td>`

const barCell = ({ share, low, high }: Share): Markup =>
  html`<td class="n"><span class="bar" style="--v:${(100 * share).toFixed(1)}%"></span><span class="v">${percent(share)}</span>${interval(low, high)}</td>`

const measuredCell = (measured: Measured | undefined): Markup =>
  measured
    ? html`<td class="n">${percent(measured.value)}${interval(measured.low, measured.high)}</td>`
    : html`<td class="n soft">–</td>`

const alarmHeads = (alphas: readonly number[], what: string): Markup[] =>
  alphas.map((alpha) => html`<th class="n">${what} at α ${alpha}</th>`)

function nameCell(detector: string, detectors: readonly string[]): Markup {
  const colour = colourOf(detector, detectors)
  const title = detector === COMBINED ? 'guard as a whole' : detector
  return html`<th scope="row"><svg class="key" viewBox="0 0 26 10" aria-hidden="true"><line class="curve ${colour}" x1="0" x2="26" y1="5" y2="5"/></svg>${title}</th>`
}

const rowClass = (detector: string): string => (detector === COMBINED ? 'whole' : '')

function attackSection({ attacks }: Evaluation): Markup | false {
  if (attacks.length === 0) return false
  const row = (attack: AttackResult): Markup =>
    html`<tr><th scope="row">${attack.name}</th><td>${attack.aim}</td><td class="n">${whole(attack.count)} of ${whole(attack.of)}</td>${barCell(attack)}</tr>`
  return html`<section>
<h2>What attacks came to</h2>
<p class="soft">How often each attack reached its aim, whether or not the guard saw it. The sets of this name hold exactly the inputs on which it did.</p>
<div class="scroll"><table><thead><tr><th>attack</th><th>it</th><th class="n">inputs</th><th class="n">share</th></tr></thead>
<tbody>${attacks.map(row)}</tbody></table></div>
</section>`
}

function overview({ sets, alphas }: Evaluation): Markup | false {
  if (sets.length === 0) return false
  const best = ({ rows }: SetResult): DetectionRow | undefined =>
    rows
      .filter(({ detector, auroc }) => detector !== COMBINED && auroc)
      .sort((a, b) => (b.auroc?.value ?? 0) - (a.auroc?.value ?? 0))[0]
  const row = (set: SetResult): Markup => {
    const combined = combinedOf(set)
    const leader = best(set)
    return html`<tr><th scope="row">${set.name}${set.kind === 'attack' && html`<span class="tag">${KINDS.attack}</span>`}</th><td class="n">${whole(set.count)}</td>
${combined?.detected.map(barCell)}${measuredCell(combined?.auroc)}
<td class="wrap">${leader ? html`${percent(leader.auroc?.value ?? 0)} ${leader.detector}` : '–'}</td></tr>`
  }
  return html`<section>
<h2>What the guard as a whole finds</h2>
<p class="soft">Shares of inputs with p ≤ α, with 95 % intervals. Beside it stands the best detector of each set, by its AUROC: a guard that combines detectors may be below the best one on a set, and above any one over all sets.</p>
<div class="scroll"><table><thead><tr><th>set</th><th class="n">inputs</th>${alarmHeads(alphas, 'found')}<th class="n">AUROC</th><th>best detector</th></tr></thead>
<tbody>${sets.map(row)}</tbody></table></div>
</section>`
}

const KINDS = { ood: 'from elsewhere', attack: 'attacked' } as const

function cleanSection({ clean, alphas, detectors, calibrated }: Evaluation): Markup {
  const calibration =
    calibrated === undefined
      ? 'How many samples its calibration tables hold is not known, so no band is drawn.'
      : `The shaded band is where the share lies in 99 of 100 cases for p-values from a table of ${whole(calibrated)} calibration samples like these, tested on ${whole(clean.count)}.`
  const tables = alphas.map((alpha, i) => {
    const rows = clean.rows.flatMap(({ detector, ran, alarms }) => {
      const found = alarms[i]
      if (!found) return []
      const { band, share, low, high } = found
      const isInside = band && share >= band.low && share <= band.high
      const verdict = !band
        ? html`<td class="soft">–</td>`
        : html`<td class="${isInside ? 'good' : 'bad'}">${isInside ? 'inside' : share > band.high ? 'above' : 'below'}</td>`
      return html`<tr class="${rowClass(detector)}">${nameCell(detector, detectors)}<td class="n">${whole(ran)}</td>
<td class="n">${percent(share)}${interval(low, high)}</td><td>${bandChart(share, { low, high }, band, alpha)}</td>
<td class="n">${band ? `${(100 * band.low).toFixed(1)}–${(100 * band.high).toFixed(1)} %` : '–'}</td>${verdict}</tr>`
    })
    return html`<h3>α = ${alpha}</h3>
<div class="scroll"><table><thead><tr><th>detector</th><th class="n">inputs</th><th class="n">false alarms</th><th>share, interval and band</th><th class="n">band</th><th>share is</th></tr></thead>
<tbody>${rows}</tbody></table></div>`
  })
  return html`<section>
<h2>False alarms on clean inputs</h2>
<p class="soft">${calibration} The dotted line is α; the point is the measured share with its 95 % interval.${
    clean.actions.indeterminate > 0 &&
    ` ${whole(clean.actions.indeterminate)} inputs got no verdict and count as alarms.`
  }</p>
${tables}
</section>`
}

function shiftSection({ shifts, clean, alphas }: Evaluation): Markup | false {
  if (shifts.length === 0) return false
  const base = clean.rows.find(({ detector }) => detector === COMBINED)?.alarms ?? []
  const times = (alarm: ShareAtAlpha): Markup => {
    const factor = alarm.share / alarm.alpha
    const text = factor < 10 ? factor.toFixed(1) : factor.toFixed(0)
    return html`<td class="n ${alarm.low > alarm.alpha ? 'bad' : ''}">${text}</td>`
  }
  const row = (name: string, alarms: readonly ShareAtAlpha[], style: string): Markup =>
    html`<tr class="${style}"><th scope="row">${name}</th>${alarms.map((alarm) => html`${barCell(alarm)}${times(alarm)}`)}</tr>`
  return html`<section>
<h2>False alarms under harmless changes</h2>
<p class="soft">The same ${whole(clean.count)} clean inputs, each changed as a camera, a lamp or a codec would. A guard ought to accept them as before: 1 times α. Figures are red where the whole interval of the share lies above α.</p>
<div class="scroll"><table><thead><tr><th>change</th>${alphas.map((alpha) => html`<th class="n">alarms at α ${alpha}</th><th class="n">times α</th>`)}</tr></thead>
<tbody>${row('none', base, 'whole')}${shifts.map(({ name, alarms }) => row(name, alarms, ''))}</tbody></table></div>
</section>`
}

function setSection(set: SetResult, evaluation: Evaluation, pictures: ReportPictures): Markup {
  const { detectors, alphas, clean } = evaluation
  const { name, rows, kind, count, actions, suspicious, missed } = set
  const skipped = rows.filter(({ ran }) => ran < count)
  // To the smallest share that so many clean inputs can show, and to 1 % at least.
  const smallest = 10 ** Math.max(-4, Math.min(-2, Math.ceil(Math.log10(1 / clean.count))))
  const options = { detectors, alphas }
  const hasCurves = rows.some(({ roc }) => roc)
  return html`<section>
<h2>${name}<span class="tag">${KINDS[kind]}</span></h2>
<p class="soft">${whole(count)} inputs: ${whole(actions.accept)} accepted, ${whole(actions.flag)} flagged, ${whole(actions.reject)} rejected, ${whole(actions.indeterminate)} without a verdict.${
    skipped.length > 0 &&
    ` Not on all inputs ran ${skipped.map(({ detector, ran }) => `${detector} (${whole(ran)})`).join(', ')}; shares are of those.`
  }</p>
<div class="scroll"><table><thead><tr><th>detector</th><th class="n">AUROC</th><th class="n">TNR at 95 % TPR</th>${alarmHeads(alphas, 'found')}</tr></thead>
<tbody>${rows.map(
    (row) =>
      html`<tr class="${rowClass(row.detector)}">${nameCell(row.detector, detectors)}${measuredCell(row.auroc)}${measuredCell(row.tnrAtTpr95)}${row.detected.map(shareCell)}</tr>`,
  )}</tbody></table></div>
${
  hasCurves &&
  html`<h3>Found against false alarms</h3>
<div class="charts">${rocChart(name, rows, { ...options, logFrom: smallest })}${rocChart(name, rows, options)}</div>`
}
<h3>Scores: clean inputs grey, this set in colour</h3>
<div class="charts small">${rows.map(({ detector, histogram }) =>
    detector === COMBINED
      ? histogramChart(histogram, 'guard as a whole', '−log₁₀ p', 'd0')
      : histogramChart(histogram, detector, 'score, higher is stranger', colourOf(detector, detectors)),
  )}</div>
<h3>Most suspicious</h3>
${exampleList(name, suspicious, pictures)}
<h3>Looked most normal</h3>
${exampleList(name, missed, pictures)}
</section>`
}

function exampleList(set: string, examples: readonly Example[], pictures: ReportPictures): Markup {
  const hasPictures = examples.some(({ index }) => pictures[pictureKey(set, index)])
  if (!hasPictures) {
    return html`<div class="scroll"><table><thead><tr><th>input</th><th>class</th><th class="n">p</th><th>verdict</th><th>smallest p from</th></tr></thead>
<tbody>${examples.map(
      ({ name, label, p, action, detector }) =>
        html`<tr><th scope="row">${name}</th><td>${label ?? '–'}</td><td class="n">${pText(p)}</td><td>${action}</td><td>${detector}</td></tr>`,
    )}</tbody></table></div>`
  }
  return html`<ul class="pictures">${examples.map(({ index, name, label, p, action, detector }) => {
    const picture = pictures[pictureKey(set, index)]
    const image =
      picture &&
      html`<img class="${Math.max(picture.width, picture.height) <= TINY ? 'tiny' : ''}" src="${picture.source}" alt="${name}" title="${name}">`
    return html`<li>${image}<b>p ${pText(p)}</b><span>${detector}</span><span>${action}${label !== undefined && `, ${label}`}</span></li>`
  })}</ul>`
}

function definitions(): Markup {
  return html`<footer class="soft">
<p><b>p</b> is the share of calibration inputs, this one counted, that look at least as strange (conformal p-value); <b>α</b> is the rate of false alarms that is asked for. <b>AUROC</b> is the chance that an input of the set looks stranger than a clean one: 50 % is a guess. <b>TNR at 95 % TPR</b> is the share of the set that is found when 95 % of the clean inputs pass. Intervals are of 95 %, those of shares after Clopper and Pearson. The name under a picture is the detector with the smallest p-value.</p>
</footer>`
}
