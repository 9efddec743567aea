/** Detectors that need passes of their own: each is a graph that takes the model's input and its logits. */

import { featureSqueezingGraph } from '../../../detectors/feature-squeezing/graph.ts'
import { secondOpinionGraph } from '../../../detectors/second-opinion/graph.ts'
import type { ClassOutput, Layout } from '../../../detectors/tier.ts'
import { LOGITS_INPUT, SCORE_OUTPUT } from '../../../detectors/tier-names.ts'
import type { GuardDetector } from '../../container/manifest.ts'
import { HardpackError } from '../../core/index.ts'
import { appendToFile, type Model, makeValue, readModel, signatureOf, writeModel } from '../../onnx/index.ts'
import type { GraphFile } from '../graphs.ts'
import type { DetectorChoice } from './choice.ts'
import type { FitContext } from './fit.ts'
import { logitsFragment } from './logits.ts'
import type { GuardOptions } from './make.ts'
import { parameterList } from './parameters.ts'

export interface Tier {
  readonly graph: GraphFile
  readonly detector: Omit<GuardDetector, 'tier'>
}

export type TierChoice = Extract<DetectorChoice, { kind: 'feature-squeezing' | 'second-opinion' | 'beyond' }>

/**
 * The pass of a detector.
 *
 * @throws HardpackError `UNSUPPORTED_MODEL` for a model that the detector does not fit; `INVALID_ARGUMENT` for its options.
 */
export function tierOf(choice: TierChoice, context: FitContext, { fit }: GuardOptions): Tier {
  const layout: Layout = fit.format?.layout ?? 'nchw'
  const output: ClassOutput = { name: LOGITS_INPUT, kind: context.probabilities ? 'probabilities' : 'logits' }
  const model = withLogits(context)
  const range = rangeOf(choice, fit)
  if (choice.kind === 'feature-squeezing') {
    return tier(choice.kind, featureSqueezingGraph(model, { output, layout, range }), {})
  }
  if (choice.kind === 'second-opinion') {
    const second = readModel(choice.model)
    const secondOutput = choice.logits === undefined ? undefined : { name: choice.logits }
    return tier(choice.kind, secondOpinionGraph(model, { second, output, secondOutput, layout }), {})
  }
  throw new HardpackError('UNSUPPORTED_MODEL', choice.kind)
}

/** The model with its logits as an output: what tiers run again. */
function withLogits({ main, opset, found, samples }: FitContext): Model {
  const { nodes, initializers } = logitsFragment(opset, found)
  const [batch] = main.inputs[0].shape
  const outputs = [makeValue(LOGITS_INPUT, 'float32', [batch, samples.logits])]
  return readModel(appendToFile(main.file, { nodes, initializers, outputs }).file)
}

/** What a pixel of the input can be: as told, or as the samples are prepared. */
function rangeOf(choice: TierChoice, { format }: GuardOptions['fit']): { min: number; max: number } | undefined {
  if ('range' in choice && choice.range) return { min: choice.range[0], max: choice.range[1] }
  if (!format) return undefined
  const ends = format.scale.flatMap((scale, c) => [format.offset[c], 255 * scale + format.offset[c]])
  return { min: Math.min(...ends), max: Math.max(...ends) }
}

function tier(kind: string, model: Model, parameters: Readonly<Record<string, string>>): Tier {
  const { inputs } = signatureOf(model)
  const [batch] = inputs[0].shape
  return {
    graph: {
      name: kind,
      file: writeModel(model),
      inputs,
      outputs: [{ name: SCORE_OUTPUT, dtype: 'float32', shape: [batch] }],
    },
    detector: { name: kind, kind, score: SCORE_OUTPUT, twoSided: false, parameters: parameterList(parameters) },
  }
}
