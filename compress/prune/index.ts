/** Structured pruning of ONNX models: what can be removed, and removing it. */

export { goneGroups, unreadOf } from './branches.ts'
export type { Budget } from './budget.ts'
export { costByContraction, costOf } from './cost.ts'
export type { Criterion } from './criteria.ts'
export { analyse } from './groups/analyse.ts'
export { isDepthwise } from './layers.ts'
export { mask } from './mask.ts'
export { observeValues } from './observe.ts'
export {
  type PreparedPruning,
  type PrepareOptions,
  type PruneOptions,
  type PruneResult,
  preparePruning,
} from './prepared.ts'
export { prune } from './prune.ts'
export type { LayerReport, PruneReport } from './report.ts'
export { unitsOfStep } from './sensitivity.ts'
export { slice } from './slice.ts'
export { withoutSilent } from './stand-ins.ts'
export { type InputStatistics, statisticsOf } from './statistics.ts'
export type * from './types.ts'
export { type UnlearnOptions, type UnlearnReport, type UnlearnResult, unlearn } from './unlearn/unlearn.ts'
