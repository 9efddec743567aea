/**
 * What pruning came to as one HTML file that needs nothing else: no script, no font, no picture from outside, so it opens
 * offline, prints, and can be mailed. What must be known before relying on it stands above the figures.
 */

import { html, Markup } from '../report/html.ts'
import { STYLE } from '../report/style.ts'
import { tradeOffChart } from './charts.ts'
import type { FilePruneReport, Pair, PrunedLayer } from './report-data.ts'
import { milliseconds, percent, remains, short, summarise, whole } from './summary.ts'

const OWN_STYLE = `.ring{fill:var(--page);stroke:var(--d2);stroke-width:2.4}
.kept{display:inline-block;height:8px;border-radius:1px;vertical-align:0;background:linear-gradient(var(--mark),var(--mark)) no-repeat left/var(--v) 100%,var(--grid)}
td.op{color:var(--soft);font-size:13px}
.layers tbody th{min-width:130px;max-width:260px;font-size:13px}
.layers td,.layers th{padding-right:12px}
.figures{display:grid;grid-template-columns:repeat(auto-fit,minmax(150px,1fr));gap:14px;margin:30px 0 0;padding:0;list-style:none}
.figures li{background:var(--panel);border:1px solid var(--line);border-radius:6px;padding:12px 16px}
.figures b{display:block;font-size:25px;line-height:1.25;letter-spacing:-.01em;font-variant-numeric:tabular-nums}
.figures span{display:block;font-size:13px;color:var(--soft)}
.same td,.same th{color:var(--soft)}
@media print{.figures li{break-inside:avoid}.layers tbody th{max-width:none}}`

/** What holds of every model that was pruned like this. */
const LIMITS = [
  'Agreement is not accuracy: it says how often both models answer alike, whether or not they are right. Measure the accuracy that you care about on labelled samples.',
  'Layers were fitted to the samples that were given. On inputs unlike these the pruned model may differ more.',
  'Latency is of this machine and this runtime; another one has other favourite widths.',
]

/**
 * The report of a pruned model.
 *
 * @returns a whole HTML document
 * @example
 * const { report } = await prune(file, { budget: parseBudget('flops=0.5'), samples })
 * await writeFile('report.html', pruneReport(report))
 */
export function pruneReport(report: FilePruneReport): string {
  const { subject, warnings } = report
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width,initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>${subject}, pruned</title>
<style>${new Markup(STYLE)}
${new Markup(OWN_STYLE)}</style>
</head>
<body>
<main>
<header>
<p class="eyebrow">A model, pruned</p>
<h1>${subject}</h1>
<p class="lead">${summarise(report).join(' ').replaceAll(' %', '\u00a0%')}</p>
${figures(report)}
</header>
<section class="limits">
<h2>Before you rely on it</h2>
<ul>${[...warnings, ...LIMITS].map((sentence) => html`<li>${sentence}</li>`)}</ul>
</section>
${totals(report)}
${curve(report)}
${layers(report)}
${frozen(report)}
${footer(report)}
</main>
</body>
</html>
`.text
}

function figures({ cost, bytes, latency, agreement }: FilePruneReport): Markup {
  const cards: readonly (readonly [string, string])[] = [
    [percent(remains([cost.before.macs, cost.after.macs])), 'of the MACs'],
    [percent(remains([cost.before.parameters, cost.after.parameters])), 'of the parameters'],
    [percent(remains(bytes.packed)), 'of the packed bytes'],
    [latency.after.ratio.toFixed(2), 'of the time'],
    agreement.kl === undefined
      ? [percent(agreement.disagreement), 'relative change of outputs']
      : [percent(1 - agreement.disagreement), 'same answers'],
  ]
  return html`<ul class="figures">${cards.map(([value, what]) => html`<li><b>${value}</b><span>${what}</span></li>`)}</ul>`
}

const barCell = (share: number): Markup =>
  html`<td class="n"><span class="bar" style="--v:${Math.min(100, 100 * share).toFixed(1)}%"></span><span class="v">${percent(share)}</span></td>`

function totals({ cost, bytes, latency }: FilePruneReport): Markup {
  const counted: readonly (readonly [string, Pair])[] = [
    ['multiply-accumulates of one sample', [cost.before.macs, cost.after.macs]],
    ['parameters', [cost.before.parameters, cost.after.parameters]],
    ['bytes of the ONNX file', bytes.onnx],
    ['bytes of the package, packed fast and without a guard', bytes.packed],
  ]
  const [low, high] = latency.after.spread
  return html`<section>
<h2>What it costs</h2>
<div class="scroll"><table><thead><tr><th></th><th class="n">before</th><th class="n">after</th><th class="n">remains</th></tr></thead>
<tbody>${counted.map(
    ([what, [before, after]]) =>
      html`<tr><th scope="row">${what}</th><td class="n">${whole(before)}</td><td class="n">${whole(after)}</td>${barCell(remains([before, after]))}</tr>`,
  )}
<tr><th scope="row">milliseconds of one run on ${latency.target}</th><td class="n">${latency.before.milliseconds.toPrecision(3)}</td><td class="n">${latency.after.milliseconds.toPrecision(3)}</td>${barCell(latency.after.ratio)}</tr></tbody></table></div>
<p class="soft">Latency: both models ran in turns on one sample, ${whole(latency.after.rounds)} times each. What remains is the median of the ratios of neighbours, half of which lay between ${low.toFixed(2)} and ${high.toFixed(2)}.</p>
</section>`
}

function curve(report: FilePruneReport): Markup | false {
  const { curve: points, budget, agreement } = report
  if (points.length < 2) return false
  const of = { flops: 'MACs', params: 'parameters', bytes: 'packed bytes', latency: 'latency' }
  const xTitle = `what remains of the ${of[budget.kind]}`
  const chart = tradeOffChart(
    points.map(({ remain, kl, disagreement }) => ({ remain, value: kl, measured: disagreement !== undefined })),
    { xTitle, yTitle: agreement.kl === undefined ? 'relative squared error' : 'KL divergence, nats' },
  )
  const tried = points.filter(({ disagreement }) => disagreement !== undefined)
  return html`<section>
<h2>The trade-off</h2>
<p class="soft">How far the outputs move from the original's while channels are removed, cheapest first. The line is what the measured sensitivity of each group adds up to; rings are models that were finished and measured${
    tried.length > 1 && ', of which one was taken'
  }.</p>
<div class="charts">${chart}${
    tried.length > 1 &&
    html`<div class="scroll"><table><thead><tr><th>what remains</th><th class="n">divergence</th><th class="n">other answers</th></tr></thead>
<tbody>${tried.map(({ remain, kl, disagreement = 0 }) => html`<tr><td>${percent(remain)}</td><td class="n">${kl.toPrecision(2)}</td><td class="n">${percent(disagreement)}</td></tr>`)}</tbody></table></div>`
  }</div>
</section>`
}

/** The widest layer has the longest bar. */
const BAR = 96

function layers({ layers: all }: FilePruneReport): Markup {
  const widest = Math.max(1, ...all.map(({ channels }) => channels[0]))
  const hasBytes = all.some(({ bytes }) => bytes !== undefined)
  const pair = ([before, after]: Pair): string =>
    before === after ? short(before) : `${short(before)} → ${short(after)}`
  const row = (layer: PrunedLayer): Markup => {
    const { name, op, channels, inputs, macs, parameters, bytes, fidelity } = layer
    const length = Math.max(3, (BAR * channels[0]) / widest)
    const isSame = channels[0] === channels[1] && inputs[0] === inputs[1]
    return html`<tr class="${isSame ? 'same' : ''}"><th scope="row">${name}</th><td class="op">${op}</td>
<td><span class="kept" style="width:${length.toFixed(0)}px;--v:${((100 * channels[1]) / channels[0]).toFixed(1)}%"></span></td>
<td class="n">${channels[0] === channels[1] ? whole(channels[0]) : channels.map(whole).join(' → ')}</td>
<td class="n ${fidelity !== undefined && fidelity < 0.8 ? 'bad' : ''}">${fidelity === undefined ? '–' : fidelity.toFixed(3)}</td>
<td class="n">${pair(macs)}</td><td class="n">${pair(parameters)}</td>${hasBytes && html`<td class="n">${bytes ? pair(bytes) : '–'}</td>`}</tr>`
  }
  return html`<section>
<h2>Layer by layer</h2>
<p class="soft">Bars are as long as a layer was wide, and filled as far as it still is. Fidelity is the share of a layer's output that its remaining inputs explain after the fit; red below 0.8. Grey rows are as they were.</p>
<div class="scroll layers"><table><thead><tr><th>layer</th><th></th><th></th><th class="n">channels</th><th class="n">fidelity</th><th class="n">MACs</th><th class="n">parameters</th>${hasBytes && html`<th class="n">packed bytes</th>`}</tr></thead>
<tbody>${all.map(row)}</tbody></table></div>
</section>`
}

function frozen({ frozen: all, cost }: FilePruneReport): Markup | false {
  if (all.length === 0) return false
  return html`<section>
<h2>What could not be touched</h2>
<p class="soft">These keep the channels that they read or write: outputs of the model, and nodes that are not understood well enough. MACs are of the layers that could have been narrower; one layer may stand behind several nodes.</p>
<div class="scroll"><table><thead><tr><th>node</th><th></th><th>why</th><th class="n">channels</th><th class="n">MACs</th><th class="n">of all</th></tr></thead>
<tbody>${all.map(
    ({ op, node, reason, channels, macs }) =>
      html`<tr><th scope="row">${node}</th><td class="op">${op}</td><td class="wrap">${reason}</td><td class="n">${whole(channels)}</td><td class="n">${short(macs)}</td><td class="n">${percent(remains([cost.before.macs, macs]))}</td></tr>`,
  )}</tbody></table></div>
</section>`
}

function footer({
  generator,
  method,
  criterion,
  refit,
  samples,
  source,
  seconds,
  latency,
  align,
}: FilePruneReport): Markup {
  const how = `${method === 'paper' ? "the paper's method" : 'the default method'}, units ranked by ${criterion}, channels in multiples of ${align}, ${refit ? 'remaining weights fitted again' : 'without a fit'}`
  return html`<footer class="soft">
<p>Pruned by ${generator} in ${seconds.toFixed(1)} s: ${how}. Samples: ${whole(samples)} of ${source.name}. The original takes ${milliseconds(latency.before.milliseconds)}.</p>
<p><b>MACs</b> are multiply-accumulates of convolutions and matrix products on one sample. Method: ModHiFi (Kashyap et al., NeurIPS 2025), with a least-squares fit of what remains in place of one factor a channel.</p>
</footer>`
}
