/** Figures that say how good a detector is, with intervals that say how well that is known. */

export * from './calibration-error.ts'
export * from './interval.ts'
export * from './presentation-attack.ts'
export * from './roc.ts'
