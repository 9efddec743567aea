/** Charts of a report, as SVG. Colours are those of the page: `d0` is the guard as a whole, `d1` on its detectors. */

import { scaleLinear, scaleLog } from 'd3-scale'
import { area, curveStepAfter, line } from 'd3-shape'
import { axes, fixed, percentTick, rounded } from '../report/axes.ts'
import { html, type Markup } from '../report/html.ts'
import { COMBINED, type DetectionRow, type Histogram, type Interval } from './evaluation.ts'

/** How many colours the page has for detectors; further ones begin again. */
const COLOURS = 8

/** The class that colours a detector, the same everywhere in a report. */
export function colourOf(detector: string, detectors: readonly string[]): string {
  return detector === COMBINED ? 'd0' : `d${1 + (Math.max(0, detectors.indexOf(detector)) % COLOURS)}`
}

export interface RocOptions {
  readonly detectors: readonly string[]
  /** Marked by upright lines. */
  readonly alphas: readonly number[]
  /** The smallest false-alarm rate of a logarithmic axis; a linear one from 0 without it. */
  readonly logFrom?: number
}

/**
 * Receiver operating characteristics of one set, a curve a detector.
 *
 * @param name of the set, for the axis title
 */
export function rocChart(
  name: string,
  rows: readonly DetectionRow[],
  { detectors, alphas, logFrom }: RocOptions,
): Markup {
  const width = 430
  const frame = { left: 52, top: 10, right: width - 22, bottom: 290 }
  const range = [frame.left, frame.right]
  const x = logFrom === undefined ? scaleLinear([0, 1], range) : scaleLog([logFrom, 1], range)
  const y = scaleLinear([0, 1], [frame.bottom, frame.top])
  const xs =
    logFrom === undefined ? [0, 0.25, 0.5, 0.75, 1] : [0.0001, 0.001, 0.01, 0.1, 1].filter((tick) => tick >= logFrom)
  const place = (rate: number): number => x(logFrom === undefined ? rate : Math.max(logFrom, rate))
  const path = line<readonly [number, number]>(
    ([rate]) => rounded(place(rate)),
    ([, share]) => rounded(y(share)),
  )
  const chance = path(
    Array.from({ length: 101 }, (_, i) => (logFrom === undefined ? i / 100 : logFrom ** (1 - i / 100))).map(
      (p) => [p, p] as const,
    ),
  )
  // The guard as a whole lies on top.
  const curves = [...rows]
    .reverse()
    .flatMap(({ detector, roc }) => (roc ? [{ colour: colourOf(detector, detectors), roc }] : []))
  return html`<svg viewBox="0 0 ${width} 330" role="img" aria-label="ROC curves for ${name}">
${axes(
  frame,
  xs.map((tick) => ({ at: x(tick), text: percentTick(tick) })),
  [0, 0.25, 0.5, 0.75, 1].map((tick) => ({ at: y(tick), text: percentTick(tick) })),
  `false alarms, share of clean inputs${logFrom === undefined ? '' : ' (logarithmic)'}`,
  'found, share of this set',
)}
${alphas
  .filter((alpha) => alpha > (logFrom ?? 0))
  .map(
    (alpha) =>
      html`<line class="alpha" x1="${fixed(x(alpha))}" x2="${fixed(x(alpha))}" y1="${frame.top}" y2="${frame.bottom}"/>${
        logFrom !== undefined &&
        html`<text class="alpha" x="${fixed(x(alpha) - 4)}" y="${frame.top + 9}" text-anchor="end">α ${alpha}</text>`
      }`,
  )}
<path class="chance" d="${chance ?? ''}"/>
${curves.map(({ colour, roc }) => html`<path class="curve ${colour}" d="${path(roc) ?? ''}"/>`)}
</svg>`
}

/** What fits over a histogram. */
const shortened = (title: string): string => (title.length <= 44 ? title : `${title.slice(0, 43)}…`)

/** The scores of clean inputs (grey) against those of a set (coloured), as shares of each. */
export function histogramChart(histogram: Histogram, title: string, xTitle: string, colour: string): Markup {
  const width = 320
  const frame = { left: 42, top: 42, right: width - 12, bottom: 176 }
  const { edges } = histogram
  const shares = (counts: readonly number[]): number[] => {
    const total = counts.reduce((sum, count) => sum + count, 0)
    return counts.map((count) => count / Math.max(1, total))
  }
  const clean = shares(histogram.clean)
  const other = shares(histogram.other)
  const x = scaleLinear([edges[0], edges[edges.length - 1]], [frame.left, frame.right])
  const y = scaleLinear([0, Math.max(...clean, ...other, 1e-9)], [frame.bottom, frame.top]).nice(3)
  const steps = (values: readonly number[]): [number, number][] =>
    edges.map((edge, i) => [edge, values[Math.min(i, values.length - 1)]])
  const filled = area<[number, number]>(
    ([edge]) => rounded(x(edge)),
    frame.bottom,
    ([, share]) => rounded(y(share)),
  ).curve(curveStepAfter)
  const drawn = line<[number, number]>(
    ([edge]) => rounded(x(edge)),
    ([, share]) => rounded(y(share)),
  ).curve(curveStepAfter)
  const format = x.tickFormat(4)
  const yTicks = y.ticks(3)
  const yFormat = y.tickFormat(3, '~%')
  return html`<svg viewBox="0 0 ${width} 216" role="img" aria-label="Histogram: ${title}">
<text class="name" x="0" y="13">${shortened(title)}</text><text class="unit" x="0" y="29">share of inputs</text>
${axes(
  frame,
  x.ticks(4).map((tick) => ({ at: x(tick), text: format(tick) })),
  yTicks.map((tick) => ({ at: y(tick), text: yFormat(tick).replace('%', ' %') })),
  xTitle,
)}
<path class="clean" d="${filled(steps(clean)) ?? ''}"/>
<path class="fill ${colour}" d="${filled(steps(other)) ?? ''}"/>
<path class="curve thin ${colour}" d="${drawn(steps(other)) ?? ''}"/>
</svg>`
}

/** A share with its interval, against the band in which it must lie and the α that was asked for. */
export function bandChart(share: number, interval: Interval, band: Interval | undefined, alpha: number): Markup {
  const width = 180
  const most = Math.max(interval.high, band?.high ?? 0, alpha) * 1.08
  const x = scaleLinear([0, most], [1, width - 1])
  return html`<svg class="band" viewBox="0 0 ${width} 22" role="img" aria-label="${percentTick(share)}">
<line class="base" x1="1" x2="${width - 1}" y1="11" y2="11"/>
${band && html`<rect class="allowed" x="${fixed(x(band.low))}" width="${fixed(x(band.high) - x(band.low))}" y="4" height="14" rx="2"/>`}
<line class="alpha" x1="${fixed(x(alpha))}" x2="${fixed(x(alpha))}" y1="1" y2="21"/>
<line class="whisker" x1="${fixed(x(interval.low))}" x2="${fixed(x(interval.high))}" y1="11" y2="11"/>
<circle class="point" cx="${fixed(x(share))}" cy="11" r="3.5"/>
</svg>`
}
