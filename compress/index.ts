/** The pack-time side: weights and bytes into chunks. `decode.ts` is the run-time side. */

export { encodeBytes } from './bytes/encode.ts'
export * from './decode.ts'
export { type ChunkSegment, describeChunk } from './describe.ts'
export * from './types.ts'
export { checkEffort, encodeWeights } from './weights/encode.ts'
