/** An evaluation for a terminal of 100 columns: what the guard finds, what its detectors do, and what harmless changes cost. */

import { COMBINED, type DetectionRow, type Evaluation, type ShareAtAlpha } from '../guard/evaluation.ts'
import { LIMITS, summarise } from '../guard/summary.ts'
import { count, table } from './command.ts'

/** Longer names of sets, changes and detectors are cut. */
const MOST_NAME = 28

const cut = (text: string): string => {
  const letters = [...text.replace(/\p{Cc}/gu, '\ufffd')]
  return letters.length <= MOST_NAME ? letters.join('') : `${letters.slice(0, MOST_NAME - 1).join('')}…`
}

/** Without its sign, which stands in the head: figures line up. */
const figure = (share: number): string => (100 * share).toFixed(1)

const shares = (list: readonly ShareAtAlpha[]): string[] => list.map(({ share }) => figure(share))

/** Numbers are right of everything from this column on. */
const rightFrom = (column: number, row: readonly string[]): number[] => row.map((_, i) => i).filter((i) => i >= column)

/**
 * The tables of an evaluation, in percent, without a line end: false alarms with the band that they must lie in, each set
 * by detector, false alarms under each change; then the summary and what holds of every guard.
 *
 * @example
 * io.out(evaluationTable(await evaluateGuard(judge, sets, { subject: 'fashion-cnn' })))
 */
export function evaluationTable(evaluation: Evaluation): string {
  const { alphas, shifts, sets, attacks } = evaluation
  const parts = [cleanTable(evaluation)]
  if (attacks.length > 0) {
    const head = ['attack', 'it', 'inputs', 'in %']
    const rows = attacks.map(({ name, aim, count: done, of, share }) => {
      return [cut(name), aim, `${count(done)} of ${count(of)}`, figure(share)]
    })
    parts.push(table([head, ...rows], [2, 3]))
  }
  if (sets.length > 0) parts.push(setTable(evaluation))
  if (shifts.length > 0) {
    const head = ['false alarms under, in %', ...alphas.map((alpha) => `α ${alpha}`)]
    parts.push(table([head, ...shifts.map(({ name, alarms }) => [cut(name), ...shares(alarms)])], rightFrom(1, head)))
  }
  parts.push(summarise(evaluation).join('\n'), `Note: ${LIMITS[0]}`)
  return parts.join('\n\n')
}

const title = (detector: string): string => (detector === COMBINED ? 'guard as a whole' : cut(detector))

function cleanTable({ clean, alphas }: Evaluation): string {
  const head = ['clean inputs, false alarms in %', 'inputs', ...alphas.flatMap((alpha) => [`α ${alpha}`, 'band', ''])]
  const rows = clean.rows.map(({ detector, ran, alarms }) => [
    title(detector),
    count(ran),
    ...alarms.flatMap(({ share, band }) => {
      if (!band) return [figure(share), '–', '']
      const word = share > band.high ? 'above' : share < band.low ? 'below' : 'inside'
      return [figure(share), `${figure(band.low)}–${figure(band.high)}`, word]
    }),
  ])
  // Words are on the left.
  return table(
    [head, ...rows],
    rightFrom(1, head).filter((column) => column === 1 || (column - 2) % 3 !== 2),
  )
}

function setTable({ sets, alphas }: Evaluation): string {
  const head = ['found, in %', 'detector', 'inputs', 'AUROC', 'TNR@TPR95', ...alphas.map((alpha) => `α ${alpha}`)]
  const cells = ({ detector, ran, auroc, tnrAtTpr95, detected }: DetectionRow): string[] => [
    title(detector),
    count(ran),
    auroc ? figure(auroc.value) : '–',
    tnrAtTpr95 ? figure(tnrAtTpr95.value) : '–',
    ...shares(detected),
  ]
  const rows = sets.flatMap(({ name, rows }) => rows.map((row, i) => [i === 0 ? cut(name) : '', ...cells(row)]))
  return table([head, ...rows], rightFrom(2, head))
}
