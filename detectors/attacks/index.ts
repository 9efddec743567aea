/** Attacks on a model and on its guard, for `hardpack guard evaluate`: what an adversary can do, measured. */

export { type AdaptiveOptions, adaptive, type EvasionOptions, evading } from './adaptive.ts'
export { type BoundaryOptions, boundary } from './boundary.ts'
export type { AttackOptions, AttackResult, BoundedOptions } from './campaign.ts'
export { type CarliniWagnerOptions, carliniWagner } from './carlini-wagner.ts'
export { type FgsmOptions, fgsm } from './fgsm.ts'
export { crossEntropy, margin, type Objective } from './objective.ts'
export {
  type Answers,
  type Batch,
  countOf,
  type GraphOracleOptions,
  graphOracle,
  type Oracle,
  type Run,
} from './oracle.ts'
export { type PgdOptions, pgd } from './pgd.ts'
export { type SpsaOptions, spsa } from './spsa.ts'
export { type SquareOptions, square } from './square.ts'
