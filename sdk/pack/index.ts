/** `hardpack/pack`: everything that happens before a package is shipped. Node only. */

export { formatKey, generateKeyPair, type KeyPair, parseKey } from '../container/keys.ts'
export { bytesSource } from '../core/source.ts'
export { inlineExternalData } from '../onnx/index.ts'
export { parity, type TargetParity } from '../open/parity.ts'
export { fileSource } from './file.ts'
export { type DetectorChoice, parseChoices } from './guard/choice.ts'
export type { GuardOptions } from './guard/make.ts'
export type { Samples } from './guard/samples.ts'
export { type InspectedTensor, type Inspection, type InspectOptions, inspect, type WeightSizes } from './inspect.ts'
export { type PackOptions, type PackResult, pack } from './pack.ts'
export { openSamples, parsePreprocess, type SampleSet, split, subset, tensorSamples } from './samples/index.ts'
export { unpack, type Verified, verify } from './verify.ts'
