/** Axes of the charts in reports, as SVG. Colours are those of the page. */

import { html, type Markup } from './html.ts'

/** A coordinate, to a tenth of a pixel. */
export const fixed = (value: number): string => value.toFixed(1)
/** For paths, which d3 writes out in full. */
export const rounded = (value: number): number => Math.round(10 * value) / 10

/** The rectangle of a plot, in the units of its SVG. */
export interface Frame {
  readonly left: number
  readonly top: number
  readonly right: number
  readonly bottom: number
}

export interface Tick {
  readonly at: number
  readonly text: string
}

/** Axes with ticks, titles and a grid. */
export function axes(frame: Frame, x: readonly Tick[], y: readonly Tick[], xTitle: string, yTitle?: string): Markup {
  const { left, top, right, bottom } = frame
  const middle = fixed((top + bottom) / 2)
  return html`<g class="grid">${y.map(({ at }) => html`<line x1="${left}" x2="${right}" y1="${fixed(at)}" y2="${fixed(at)}"/>`)}</g>
<g class="axis"><line x1="${left}" x2="${right}" y1="${bottom}" y2="${bottom}"/>
${x.map(({ at, text }) => html`<line x1="${fixed(at)}" x2="${fixed(at)}" y1="${bottom}" y2="${bottom + 4}"/><text x="${fixed(at)}" y="${bottom + 16}" text-anchor="middle">${text}</text>`)}
${y.map(({ at, text }) => html`<text x="${left - 7}" y="${fixed(at + 3.5)}" text-anchor="end">${text}</text>`)}
<text class="title" x="${fixed((left + right) / 2)}" y="${bottom + 34}" text-anchor="middle">${xTitle}</text>
${yTitle !== undefined && html`<text class="title" transform="translate(12 ${middle}) rotate(-90)" text-anchor="middle">${yTitle}</text>`}</g>`
}

/** `12.5 %` */
export const percentTick = (share: number): string => `${Number((100 * share).toPrecision(6))} %`
