/** Which detectors a guard is made of, as a developer names them. */

import { HardpackError } from '../../core/index.ts'

export const MAHALANOBIS_VARIANTS = ['concat', 'last-layer', 'per-layer', 'relative', 'normalised'] as const
export type MahalanobisVariant = (typeof MAHALANOBIS_VARIANTS)[number]

/** BEYOND: the divergence of class probabilities, that and the label, the paper's two counts, or the official code's order statistic. */
export const BEYOND_RULES = ['divergence', 'disagreement', 'counts', 'fused'] as const
export type BeyondRuleName = (typeof BEYOND_RULES)[number]

/** Second opinion: the divergence of class probabilities, −log p of the label, or both. */
export const SECOND_OPINION_RULES = ['divergence', 'label', 'disagreement'] as const

export type DetectorChoice =
  | { readonly kind: 'max-softmax' }
  | { readonly kind: 'energy' }
  | {
      readonly kind: 'mahalanobis'
      readonly variant?: MahalanobisVariant
      /** Directions that are kept; at most 256. */
      readonly rank?: number
      /** Share of tr Σ / d that is added to Σ, or `ledoit-wolf`. */
      readonly shrinkage?: number | 'ledoit-wolf'
    }
  | { readonly kind: 'hyp-oc' }
  /** `range`: what a pixel of the model's input can be. */
  | { readonly kind: 'feature-squeezing'; readonly range?: readonly [min: number, max: number] }
  /** `model`: an ONNX file with the same input, trained by itself. */
  | {
      readonly kind: 'second-opinion'
      readonly model: Uint8Array
      readonly logits?: string
      readonly rule?: (typeof SECOND_OPINION_RULES)[number]
    }
  /** `encoder`: an ONNX file with the same input, trained without labels; without it the model's own features serve. */
  | {
      readonly kind: 'beyond'
      readonly encoder?: Uint8Array
      readonly representation?: string
      readonly preset?: 'mild' | 'paper'
      readonly rule?: BeyondRuleName
    }

export const DETECTOR_KINDS = [
  'max-softmax',
  'energy',
  'mahalanobis',
  'hyp-oc',
  'feature-squeezing',
  'second-opinion',
  'beyond',
] as const

/** What a guard is made of when nothing else is said: both cost next to nothing. */
export const DEFAULT_DETECTORS: readonly DetectorChoice[] = [{ kind: 'max-softmax' }, { kind: 'mahalanobis' }]

/** Files and settings that detectors of a list may need. */
export interface ChoiceExtras {
  readonly second?: Uint8Array
  readonly encoder?: Uint8Array
  readonly preset?: 'mild' | 'paper'
  readonly rank?: number
  readonly range?: readonly [min: number, max: number]
}

/**
 * The detectors of a list such as `mahalanobis:relative,beyond`.
 *
 * @throws HardpackError `INVALID_ARGUMENT` for a name that is none, a detector twice, or one that lacks its file.
 * @example
 * parseChoices('max-softmax,mahalanobis') // [{ kind: 'max-softmax' }, { kind: 'mahalanobis' }]
 */
export function parseChoices(list: string, extras: ChoiceExtras = {}): DetectorChoice[] {
  const names = list.split(',').map((name) => name.trim())
  const twice = names.find((name, i) => names.indexOf(name) < i)
  if (twice !== undefined) throw refused(`each detector once, got "${twice}" twice`)
  return names.map((name) => parseChoice(name, extras))
}

function parseChoice(name: string, { second, encoder, preset, rank, range }: ChoiceExtras): DetectorChoice {
  const [kind, variant] = name.split(':')
  if (kind === 'mahalanobis') {
    const known = MAHALANOBIS_VARIANTS.find((other) => other === (variant ?? 'concat'))
    if (!known) throw refused(`a variant of Mahalanobis (${MAHALANOBIS_VARIANTS.join(', ')}), got "${variant}"`)
    return { kind, variant: known, rank }
  }
  if (kind === 'beyond') {
    const rule = BEYOND_RULES.find((other) => other === (variant ?? (preset === 'paper' ? 'counts' : 'divergence')))
    if (!rule) throw refused(`a rule of beyond (${BEYOND_RULES.join(', ')}), got "${variant}"`)
    return { kind, encoder, preset, rule }
  }
  if (kind === 'second-opinion') {
    const rule = SECOND_OPINION_RULES.find((other) => other === (variant ?? 'divergence'))
    if (!rule) throw refused(`a rule of second-opinion (${SECOND_OPINION_RULES.join(', ')}), got "${variant}"`)
    if (second) return { kind, model: second, rule }
    throw refused('a second model for second-opinion, got none', 'Give it with --second model.onnx.')
  }
  if (variant === undefined) {
    if (kind === 'max-softmax' || kind === 'energy' || kind === 'hyp-oc') return { kind }
    if (kind === 'feature-squeezing') return { kind, range }
  }
  throw refused(`detectors (${DETECTOR_KINDS.join(', ')}), got "${name}"`)
}

function refused(expected: string, hint?: string): HardpackError {
  return new HardpackError('INVALID_ARGUMENT', `The guard expected ${expected}.`, { hint })
}
