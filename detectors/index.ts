/** `hardpack/detectors`: should this input be believed. */

export { conformalPValue } from './conformal.ts'
