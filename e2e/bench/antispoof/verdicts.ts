/** What every target made of every photo, side by side, and where they differ. */

import { table } from '../../../sdk/cli/command.ts'
import type { Look } from './chain.ts'
import type { Photo } from './photos.ts'
import type { Run } from './runs.ts'

/** One line a photo and target. */
export function looksTable(photos: readonly Photo[], runs: readonly Run[]): string {
  const rows = photos.flatMap(({ file, attack }, i) =>
    runs.map(({ where, looks }, k) => {
      const { look, ms } = looks[i]
      return [
        [file, `  ${attack ? `attack: ${attack}` : 'bona fide'}`][k] ?? '',
        where,
        boxOf(look),
        number(look.real),
        look.label,
        look.action,
        number(look.p),
        ...detectorsOf(runs).map((name) => number(look.reasons.find(({ detector }) => detector === name)?.p)),
        ms.toFixed(0),
      ]
    }),
  )
  const detectors = detectorsOf(runs).map((name) => `p ${name}`)
  const head = ['photo', 'target', 'face (px)', 'P(real)', 'label', 'guard', 'p', ...detectors, 'ms']
  return table([head, ...rows], [3, 6, ...detectors.map((_, i) => 7 + i), 7 + detectors.length])
}

function detectorsOf([first]: readonly Run[]): string[] {
  const names = new Set(first.looks.flatMap(({ look }) => look.reasons.map(({ detector }) => detector)))
  return [...names].sort()
}

const number = (n: number | undefined): string => (n === undefined || Number.isNaN(n) ? '–' : n.toFixed(4))

function boxOf({ face }: Look): string {
  if (!face) return 'none'
  const { left, top, right, bottom } = face.box
  const [x, y, width, height] = [left, top, right - left, bottom - top].map((value) => Math.round(value))
  return `${width} × ${height} at ${x}, ${y}`
}

/**
 * Where runs differ from the first in what an app acts on: label, action, or the detectors that would have flagged. One
 * sentence each.
 */
export function differences(first: Run, others: readonly Run[]): string[] {
  return others.flatMap(({ where, looks }) =>
    looks.flatMap(({ file, look }, i) => {
      const [mine, theirs] = [verdictOf(first.looks[i].look), verdictOf(look)]
      return mine === theirs ? [] : [`${file}: ${first.where} says ${mine}, ${where} says ${theirs}.`]
    }),
  )
}

function verdictOf({ label, action, reasons }: Look): string {
  const against = reasons.filter(({ score, threshold }) => score >= threshold).map(({ detector }) => detector)
  return [label, action, ...(against.length > 0 ? [`by ${against.sort().join(' and ')}`] : [])].join(', ')
}
