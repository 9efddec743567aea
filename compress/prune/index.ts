/** Structured pruning of ONNX models: what can be removed, and removing it. */

export { costByContraction, costOf } from './cost.ts'
export type { Criterion } from './criteria.ts'
export { analyse } from './groups/analyse.ts'
export { mask } from './mask.ts'
export { observeValues } from './observe.ts'
export { type Budget, type LayerReport, type PruneOptions, type PruneReport, type PruneResult, prune } from './prune.ts'
export { slice } from './slice.ts'
export { type InputStatistics, statisticsOf } from './statistics.ts'
export type * from './types.ts'
export { type UnlearnOptions, type UnlearnReport, type UnlearnResult, unlearn } from './unlearn/unlearn.ts'
