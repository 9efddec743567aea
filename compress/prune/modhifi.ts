/**
 * ModHiFi-P as published (Kashyap et al., NeurIPS 2025): a channel stays where it belongs to the high-fidelity set of any output of any
 * layer that reads it; what stays is multiplied by δ*. One threshold for the whole net, such that the budget is met.
 */

import type { Tensor } from '../../sdk/core/index.ts'
import type { Allocation, AllocateOptions } from './allocate.ts'
import { type Components, compensated, unitScores } from './fidelity.ts'
import { columnsOfChannels, keptColumns, type PrunableLayer, readersOf, tensorsOfRefit } from './layers.ts'
import type { Net } from './prune.ts'
import { gridOf } from './sensitivity.ts'
import type { InputStatistics } from './statistics.ts'
import type { Group, Kept } from './types.ts'
