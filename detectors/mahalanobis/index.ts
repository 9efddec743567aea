/** Mahalanobis distance to the nearest class: `mahalanobis.fit`, `mahalanobis.score`, `mahalanobis.addClass`. */

export { addClass } from './add-class.ts'
export type { Mahalanobis } from './detector.ts'
export { fitMahalanobis as fit, type Labels, type MahalanobisOptions } from './fit.ts'
export { scoreMahalanobis as score } from './score.ts'
