/**
 * How far the head in the graph is from the TypeScript reference: relative to the score, or to the deviation of scores where it
 * is nearer to 0 than that (Hyp-OC's crosses 0); the most over the clean test images.
 */

import { hypOcHead } from '../../../detectors/hyp-oc/head.ts'
import { scoreHypOc } from '../../../detectors/hyp-oc/score.ts'
import { fitHypOc } from '../../../detectors/hyp-oc/train.ts'
import { fitMahalanobis } from '../../../detectors/mahalanobis/fit.ts'
import { mahalanobisHead } from '../../../detectors/mahalanobis/head.ts'
import { scoreMahalanobis } from '../../../detectors/mahalanobis/score.ts'
import { appendToFile, type Fragment, makeUntypedOutput, readModel } from '../../../sdk/onnx/index.ts'
import { tapModel } from '../../../sdk/pack/guard/features.ts'
import { runSamples } from '../../../sdk/pack/guard/samples.ts'
import { node } from '../../../targets/node.ts'
import { type GuardData, graphFile } from './data.ts'

export interface HeadDifference {
  readonly mahalanobis: number
  readonly hypOc: number
}

/** Runs both heads on the held-out images, and the references on the features that the very same graph gives. */
export async function headDifference({ trained, calibrate, held }: GuardData): Promise<HeadDifference> {
  const main = graphFile(await trained('fashion-cnn'))
  const { file, inputs } = main
  const tapped = await tapModel(main, readModel(file), {}, calibrate, node(), {})
  const featuresOf = async (values: readonly string[], fragment: Fragment, set: typeof held) => {
    const { nodes, initializers } = fragment
    const longer = appendToFile(file, { nodes, initializers, outputs: values.map(makeUntypedOutput) })
    const session = await node().create({ model: longer.file })
    const all = Array.from({ length: set.count }, (_, i) => i)
    try {
      return await runSamples(session, inputs[0].name, set, all, values, { stage: 'heads' })
    } finally {
      await session.close()
    }
  }
  const fitted = (await featuresOf([tapped.features], tapped.fragment, calibrate))[tapped.features]
  const features = { rows: calibrate.count, ...fitted }
  const classes = { classes: calibrate.labels ?? [], names: Array.from({ length: 10 }, (_, i) => String(i)) }
  const mahalanobis = fitMahalanobis(features, classes)
  const hypOc = await fitHypOc(features)
  const scores = {
    mahalanobis: mahalanobisHead(mahalanobis, tapped.fragment, tapped.features),
    hypOc: hypOcHead(hypOc, tapped.fragment, tapped.features),
  }
  const rows = await featuresOf([tapped.features, ...Object.values(scores)], tapped.fragment, held)
  const test = { rows: held.count, ...rows[tapped.features] }
  const difference = (expected: Float64Array, actual: Float32Array): number => {
    const mean = expected.reduce((sum, value) => sum + value, 0) / expected.length
    const deviation = Math.sqrt(expected.reduce((sum, value) => sum + (value - mean) ** 2, 0) / expected.length)
    return expected.reduce(
      (most, value, i) => Math.max(most, Math.abs(value - actual[i]) / Math.max(deviation, Math.abs(value))),
      0,
    )
  }
  return {
    mahalanobis: difference(scoreMahalanobis(mahalanobis, test), rows[scores.mahalanobis].data),
    hypOc: difference(scoreHypOc(hypOc, test), rows[scores.hypOc].data),
  }
}
