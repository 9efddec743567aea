/** What `bench:prune` writes; parts that were not measured yet are missing. */

import type { Environment } from '../environment.ts'
import type { AccuracyRow } from './accuracies.ts'
import type { ArchitectureRow } from './architectures.ts'
import type { SpeedRow, WholeRow } from './speed.ts'
import type { UnlearnRow } from './unlearning.ts'

export interface Measured {
  readonly accuracies?: readonly AccuracyRow[]
  readonly unlearned?: readonly UnlearnRow[]
  readonly architectures?: readonly ArchitectureRow[]
  readonly speeds?: readonly SpeedRow[]
  readonly whole?: WholeRow
  /** How each part was measured. */
  readonly parts: Readonly<Record<string, Environment & { readonly seconds: number }>>
}
