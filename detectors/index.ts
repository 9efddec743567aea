/**
 * `hardpack/detectors`: should this input be believed. Every detector also works alone, on any arrays of features or of logits:
 * what it gives are scores, larger for stranger inputs; `calibrate` and `judge` turn them into p-values.
 */

export * as attacks from './attacks/index.ts'
export * as beyond from './beyond/index.ts'
export * from './calibrate/index.ts'
export { scoreFeatureSqueezing } from './feature-squeezing/score.ts'
export type { Features } from './features.ts'
export * as hypOc from './hyp-oc/index.ts'
export * as mahalanobis from './mahalanobis/index.ts'
export * from './metrics/index.ts'
export * from './monitor.ts'
export * from './online/virtual-plus.ts'
export { scoreSecondOpinion } from './second-opinion/score.ts'
export { type SoftmaxOptions, scoreEnergy, scoreMaxSoftmax } from './softmax.ts'
