/** Unlearning in a file: samples are read and held, the model is edited, and the result is checked to be an ONNX file that runs. */

import { type UnlearnReport, unlearn as unlearnModel } from '../../compress/prune/index.ts'
import type { Target } from '../../targets/types.ts'
import { type Bytes, type CallOptions, HardpackError } from '../core/index.ts'
import { readModel, signatureOf, writeModel } from '../onnx/index.ts'
import type { SampleSet } from '../pack/samples/index.ts'
import { executeOn } from './execute.ts'
import { heldSamples } from './samples.ts'

export interface UnlearnFileOptions extends CallOptions {
  /** Samples of the class to forget. */
  readonly forget: SampleSet
  /** Samples of the others. */
  readonly retain?: SampleSet
  /** Names of the layers to edit, by their output; the second half of the hidden ones unless told. */
  readonly layers?: readonly string[]
  /** At most so many samples of a set, drawn at random; 2,000 unless told. */
  readonly limit?: number
  /** Where the model runs; onnxruntime in Node unless told. */
  readonly target?: Target
  /** Of all draws; 0 unless told. */
  readonly seed?: number
}

export interface UnlearnFileResult {
  /** An ONNX file. */
  readonly file: Bytes
  readonly report: UnlearnReport
}

const SAMPLES = 2000

/**
 * Makes a classifier in an ONNX file forget a class.
 *
 * @param file a whole ONNX file in memory; external data already inlined (`inlineExternalData`)
 * @throws HardpackError `UNSUPPORTED_MODEL` for a model with several inputs, without class scores or without a layer to edit;
 *   `INVALID_INPUT` for too few samples, or of the wrong shape; `INVALID_ARGUMENT`, `INVALID_MODEL`, `ABORTED`.
 * @example
 * const { file: edited, report } = await unlearnFile(file, { forget: shirts, retain: others })
 */
export async function unlearnFile(file: Uint8Array, options: UnlearnFileOptions): Promise<UnlearnFileResult> {
  const { forget, retain, layers, limit = SAMPLES, seed = 0, signal, onProgress } = options
  const call = { signal, onProgress }
  const model = readModel(file)
  const { inputs } = signatureOf(model)
  if (inputs.length !== 1) {
    throw new HardpackError('UNSUPPORTED_MODEL', `Unlearning expected a model with one input, got ${inputs.length}.`, {
      hint: 'Make the others constants of the model.',
    })
  }
  const execute = executeOn(options.target, model)
  const held = { limit, seed, ...call }
  const forgotten = await heldSamples(forget, inputs[0], held)
  const retained = retain && (await heldSamples(retain, inputs[0], held))
  const { model: edited, report } = await unlearnModel(model, forgotten, retained, execute, { layers, seed, ...call })
  return { file: writeModel(edited), report }
}
