/** Structured pruning of ONNX models: what can be removed, and removing it. */

export { costByContraction, costOf } from './cost.ts'
export { analyse } from './groups/analyse.ts'
export { mask } from './mask.ts'
export { observeValues } from './observe.ts'
export { slice } from './slice.ts'
export type * from './types.ts'
