/** Hyp-OC, one class in hyperbolic space: `hypOc.fit`, `hypOc.score`. */

export { type HypOc, scoreHypOc as score } from './score.ts'
export { fitHypOc as fit, type HypOcOptions } from './train.ts'
