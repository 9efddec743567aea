/**
 * One-class MNIST: each digit in turn is all that is known, and the nine others are to be found among the 10,000 test images.
 * Features are those of a network that never saw a digit: the pooled layers of the Fashion-MNIST classifier.
 */

import type { Features } from '../../../detectors/features.ts'
import { scoreHypOc } from '../../../detectors/hyp-oc/score.ts'
import { fitHypOc } from '../../../detectors/hyp-oc/train.ts'
import { fitMahalanobis } from '../../../detectors/mahalanobis/fit.ts'
import { scoreMahalanobis } from '../../../detectors/mahalanobis/score.ts'
import { auroc } from '../../../detectors/metrics/index.ts'
import { tapFeatures } from '../../../sdk/pack/guard/features.ts'
import type { SampleSet } from '../../../sdk/pack/samples/index.ts'
import { node } from '../../../targets/node.ts'
import { type GuardData, graphFile } from './data.ts'

export interface OneClassRow {
  readonly digit: number
  readonly samples: number
  /** AUROC in percent. */
  readonly gaussian: number
  readonly hypOc: number
}

/** Measures both detectors on each digit. */
export async function oneClassDigits(
  { mnist, mnistTrain, trained }: GuardData,
  note: (what: string) => void,
): Promise<OneClassRow[]> {
  const main = graphFile(await trained('fashion-cnn'))
  const featuresOf = (set: SampleSet): Promise<Features> => tapFeatures(main, set, node(), {})
  const train = await featuresOf(mnistTrain)
  const test = await featuresOf(mnist)
  const labels = mnist.labels ?? new Int32Array()
  const rows: OneClassRow[] = []
  for (let digit = 0; digit < 10; digit++) {
    note(`digit ${digit}`)
    const own = rowsWhere(train, (row) => mnistTrain.labels?.[row] === digit)
    const area = (scores: Float64Array): number =>
      100 *
      auroc(
        scores.filter((_, i) => labels[i] === digit),
        scores.filter((_, i) => labels[i] !== digit),
      ).auroc
    rows.push({
      digit,
      samples: own.rows,
      gaussian: area(scoreMahalanobis(fitMahalanobis(own), test)),
      hypOc: area(scoreHypOc(await fitHypOc(own), test)),
    })
  }
  return rows
}

function rowsWhere({ rows, columns, data }: Features, keep: (row: number) => boolean): Features {
  const kept = Array.from({ length: rows }, (_, row) => row).filter(keep)
  const some = new Float32Array(kept.length * columns)
  for (const [i, row] of kept.entries()) some.set(data.subarray(row * columns, (row + 1) * columns), i * columns)
  return { rows: kept.length, columns, data: some }
}
