/** From scores to p-values, and how far they can be trusted. */

export * from './beta-band.ts'
export * from './calibration.ts'
export * from './combine.ts'
export * from './conformal.ts'
export * from './thin.ts'
