/** The trade-off curve of a report, as SVG. */

import { scaleLinear } from 'd3-scale'
import { line } from 'd3-shape'
import { axes, fixed, percentTick, rounded } from '../report/axes.ts'
import { html, type Markup } from '../report/html.ts'

export interface CurvePoint {
  readonly remain: number
  readonly value: number
}

/**
 * A curve over what remains, which falls from left to right; the last point is where pruning stopped.
 *
 * @param yTitle what `value` is
 * @param isShare whether it is written in percent
 */
export function tradeOffChart(
  points: readonly CurvePoint[],
  { xTitle, yTitle, isShare }: { xTitle: string; yTitle: string; isShare: boolean },
): Markup {
  const width = 520
  const frame = { left: 58, top: 14, right: width - 18, bottom: 250 }
  const sorted = [...points].sort((a, b) => b.remain - a.remain)
  const last = sorted[sorted.length - 1]
  const most = Math.max(...sorted.map(({ value }) => value), isShare ? 0.005 : 1e-6)
  const x = scaleLinear([1, Math.min(0.95, last?.remain ?? 0)], [frame.left, frame.right])
  const y = scaleLinear([0, most], [frame.bottom, frame.top]).nice(4)
  const path = line<CurvePoint>(
    ({ remain }) => rounded(x(remain)),
    ({ value }) => rounded(y(value)),
  )
  const yFormat = y.tickFormat(4, isShare ? '~%' : '~g')
  return html`<svg viewBox="0 0 ${width} 290" role="img" aria-label="${yTitle} against ${xTitle}">
${axes(
  frame,
  x.ticks(6).map((tick) => ({ at: x(tick), text: percentTick(tick) })),
  y.ticks(4).map((tick) => ({ at: y(tick), text: yFormat(tick).replace('%', ' %') })),
  xTitle,
  yTitle,
)}
<path class="curve d1" d="${path(sorted) ?? ''}"/>
${sorted.map(({ remain, value }) => html`<circle class="dot" cx="${fixed(x(remain))}" cy="${fixed(y(value))}" r="2.2"/>`)}
${last && html`<circle class="end" cx="${fixed(x(last.remain))}" cy="${fixed(y(last.value))}" r="5"/>`}
</svg>`
}
