/** `hardpack/detectors`: should this input be believed. */

export { conformalPValue } from './calibrate/conformal.ts'
