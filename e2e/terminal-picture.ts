/**
 * A picture of real terminal output for the README: `npm run -s demo | npm run -s picture > sdk/docs/demo.svg`. What it shows is
 * what came in on stdin, nothing else.
 */

import { text } from 'node:stream/consumers'

const COLUMN = 8.4
const LINE = 19
const MARGIN = 18
const BAR = 30
/** Longer lines are folded, as a terminal does. */
const WIDTH = 118

const escapeXml = (line: string): string => line.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;')

const lines = ['$ npm run demo', ...(await text(process.stdin)).trimEnd().split('\n')].flatMap(
  (line) => line.match(new RegExp(`.{1,${WIDTH}}`, 'gu')) ?? [''],
)
const width = Math.ceil(2 * MARGIN + COLUMN * Math.max(...lines.map((line) => line.length)))
const height = BAR + 2 * MARGIN + LINE * lines.length
const dots = ['#ff5f56', '#ffbd2e', '#27c93f'].map(
  (colour, i) => `<circle cx="${MARGIN + 18 * i}" cy="18" r="6" fill="${colour}"/>`,
)
const rows = lines.map((line, i) => {
  const colour = /DIFFERENT/.test(line) ? '#ffb454' : /^\$/.test(line) ? '#7fd962' : '#d6d6d6'
  return `<text x="${MARGIN}" y="${BAR + MARGIN + LINE * i}" fill="${colour}" xml:space="preserve">${escapeXml(line)}</text>`
})
process.stdout.write(
  [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" role="img" aria-label="Terminal output of npm run demo">`,
    `<rect width="100%" height="100%" rx="8" fill="#171b22"/>`,
    ...dots,
    `<g font-family="ui-monospace, SFMono-Regular, Menlo, Consolas, monospace" font-size="14">`,
    ...rows,
    '</g>',
    '</svg>',
    '',
  ].join('\n'),
)
