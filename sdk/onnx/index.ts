/** Reading, editing, building and writing ONNX models. Pack time only: protobufjs stays in here. */

export { type Appended, appendToFile } from './append.ts'
export { attributeOf, floatOf, intOf, intsOf, textOf } from './attributes.ts'
export * from './build.ts'
export { type EmbedOptions, embed, openBatch } from './embed.ts'
export { inlineExternalData, type WriteExternalOptions, writeExternalData } from './external.ts'
export { Fragment, type FragmentOptions, opsetOf, type Reduction } from './fragment.ts'
export { feedsOf, type GraphIndex, indexGraph, tensorsOf } from './graph.ts'
export { MAX_MODEL_BYTES, type Model, readModel, writeModel } from './model.ts'
export { payloadOf } from './payload.ts'
export type * from './proto.ts'
export { type Signature, signatureOf, type TensorValue } from './signature.ts'
export { locateWeights, splitWeights, type WeightLocation } from './weights.ts'
