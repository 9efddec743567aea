/** hardpack in a browser: open a package and run it. Targets come from `hardpack/targets/*`. */

export type { OptimizationLevel, Target } from '../targets/types.ts'
export type { Limits } from './container/limits.ts'
export type { DType, TypedArray } from './core/dtype.ts'
export type { ErrorCode } from './core/errors.ts'
export { HardpackError } from './core/errors.ts'
export type { OnProgress, Progress } from './core/progress.ts'
export type { Source } from './core/source.ts'
export type { Tensor } from './core/tensor.ts'
export { type OpenOptions, open, type PackageInput } from './open/open.ts'
export type { TrustOptions } from './open/trust.ts'
export type { InputValue, Model, Report, RunResult } from './run/model.ts'
export type { Attempt } from './run/self-test.ts'
