/**
 * Presentation attack detection in the words of ISO/IEC 30107-3:2023.
 *
 * - APCER, attack presentation classification error rate: the share of *attacks* of one species that pass as bona fide. The
 *   figure of a detector is that of its worst species; attacks of different species are never pooled.
 * - BPCER, bona fide presentation classification error rate: the share of *bona fide* presentations called attacks.
 * - ACER: the mean of worst APCER and BPCER. The standard no longer has it; the literature still reports it.
 *
 * (Code in circulation has the first two exchanged, and calls the pooled rate APCER.) The threshold must not be chosen on the
 * data that it is reported on.
 */

import { HardpackError } from '../../sdk/core/index.ts'
import { clopperPearson, type Rate } from './interval.ts'

export interface PresentationAttackMetrics {
  /** APCER of each species: attacks that passed, out of its attacks. */
  readonly apcerBySpecies: Readonly<Record<string, Rate>>
  /** The species with the highest APCER, and that APCER. */
  readonly worst: { readonly species: string; readonly apcer: Rate }
  /**
   * An upper bound of the worst species' true APCER at the level asked for: the largest of the species' bounds, which may be
   * that of a species with few attacks.
   */
  readonly apcerUpper: number
  /** Bona fide presentations called attacks. */
  readonly bpcer: Rate
  /** (worst APCER + BPCER) / 2. */
  readonly acer: number
}

/**
 * APCER, BPCER and ACER of scores at a threshold.
 *
 * @param bonaFide scores of genuine presentations (higher = more like an attack)
 * @param attacks scores of attacks by species, such as `{ print: …, replay: …, mask: … }`
 * @param threshold a score of at least this is called an attack
 * @param level of intervals and bounds, 0.95 unless said
 * @throws HardpackError `INVALID_ARGUMENT` for no species, no scores of one, no bona fide scores, or NaN.
 * @example
 * presentationAttackMetrics([0.1, 0.7], { print: [0.9, 0.8], replay: [0.2, 0.9] }, 0.5)
 * // worst: replay with APCER 0.5; BPCER 0.5; ACER 0.5
 */
export function presentationAttackMetrics(
  bonaFide: ArrayLike<number>,
  attacks: Readonly<Record<string, ArrayLike<number>>>,
  threshold: number,
  level = 0.95,
): PresentationAttackMetrics {
  const names = Object.keys(attacks)
  if (names.length === 0) {
    throw new HardpackError('INVALID_ARGUMENT', 'Attacks expected at least one species, got 0.')
  }
  if (Number.isNaN(threshold)) {
    throw new HardpackError('INVALID_ARGUMENT', 'A threshold expected a number, got NaN.')
  }
  const calledAttacks = (what: string, scores: ArrayLike<number>): number => {
    let count = 0
    for (let i = 0; i < scores.length; i++) {
      if (Number.isNaN(scores[i])) {
        throw new HardpackError('INVALID_ARGUMENT', `Scores of ${what} expected numbers, got NaN at ${i}.`)
      }
      if (scores[i] >= threshold) count++
    }
    if (scores.length === 0) {
      throw new HardpackError('INVALID_ARGUMENT', `Scores of ${what} expected at least one, got 0.`)
    }
    return count
  }
  const bpcer = clopperPearson(calledAttacks('bona fide presentations', bonaFide), bonaFide.length, level)
  const rates = names.map((species) => {
    const { length } = attacks[species]
    const passed = length - calledAttacks(`species ${species}`, attacks[species])
    return { species, apcer: clopperPearson(passed, length, level) }
  })
  const worst = rates.reduce((a, b) => (b.apcer.rate > a.apcer.rate ? b : a))
  return {
    apcerBySpecies: Object.fromEntries(rates.map(({ species, apcer }) => [species, apcer])),
    worst,
    apcerUpper: Math.max(...rates.map(({ apcer }) => apcer.upper)),
    bpcer,
    acer: (worst.apcer.rate + bpcer.rate) / 2,
  }
}
