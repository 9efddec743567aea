/** The trade-off curve of a report, as SVG. */

import { scaleLinear } from 'd3-scale'
import { line } from 'd3-shape'
import { axes, fixed, percentTick, rounded } from '../report/axes.ts'
import { html, type Markup } from '../report/html.ts'

export interface CurvePoint {
  readonly remain: number
  readonly value: number
  /** Whether it is of a finished model; others are estimates on the way. */
  readonly measured: boolean
}

/** A curve over what remains, from the whole on the left: a line through estimates, and rings around what was measured. */
export function tradeOffChart(
  points: readonly CurvePoint[],
  { xTitle, yTitle }: { xTitle: string; yTitle: string },
): Markup {
  const width = 620
  const frame = { left: 64, top: 14, right: width - 22, bottom: 250 }
  const sorted = [{ remain: 1, value: 0, measured: false }, ...points].sort((a, b) => b.remain - a.remain)
  const least = Math.min(0.95, ...sorted.map(({ remain }) => remain))
  const most = Math.max(...sorted.map(({ value }) => value), 1e-6)
  const x = scaleLinear([1, least], [frame.left, frame.right])
  const y = scaleLinear([0, most], [frame.bottom, frame.top]).nice(4)
  const path = line<CurvePoint>(
    ({ remain }) => rounded(x(remain)),
    ({ value }) => rounded(y(value)),
  )
  const yFormat = y.tickFormat(4, '~g')
  const [measured, estimated] = [true, false].map((is) => sorted.filter((point) => point.measured === is))
  return html`<svg viewBox="0 0 ${width} 290" role="img" aria-label="${yTitle} against ${xTitle}">
${axes(
  frame,
  x.ticks(6).map((tick) => ({ at: x(tick), text: percentTick(tick) })),
  y.ticks(4).map((tick) => ({ at: y(tick), text: yFormat(tick) })),
  xTitle,
  yTitle,
)}
<path class="curve d1" d="${path(estimated) ?? ''}"/>
${measured.map(({ remain, value }) => html`<circle class="ring" cx="${fixed(x(remain))}" cy="${fixed(y(value))}" r="5"/>`)}
</svg>`
}
