/**
 * Attacked test images. PGD is white-box on the classifier and knows nothing of the guard: what a detector finds of it has
 * transferred to it. A second one is made on another network and transferred to the classifier as well. The adaptive attack
 * knows the Mahalanobis score and stays below its threshold.
 */

import {
  type AttackResult,
  adaptive,
  type Batch,
  carliniWagner,
  graphOracle,
  pgd,
} from '../../../detectors/attacks/index.ts'
import { labelsOf } from '../../../detectors/class-probabilities.ts'
import { inputGradient } from '../../../sdk/onnx/gradient/index.ts'
import { readModel, writeModel } from '../../../sdk/onnx/index.ts'
import { type SampleSet, subset, tensorSamples } from '../../../sdk/pack/samples/index.ts'
import { node } from '../../../targets/node.ts'
import { INPUT } from './data.ts'

const RANGE = { min: 0, max: 1 }
const STEPS = 20
const SHAPE = [1, 28, 28]

export interface Attacked {
  readonly name: string
  /** Attacked images. */
  readonly tried: number
  /** The images that the classifier got right before and wrong after. */
  readonly set: SampleSet
}

/** All samples of a set as one batch. */
async function batchOf(set: SampleSet): Promise<Batch> {
  const { data } = await set.batch(Array.from({ length: set.count }, (_, i) => i))
  return { shape: SHAPE, data: data as Float32Array }
}

/** An oracle of a classifier, with gradients; and of a guard's score, where the graph has one. */
async function oracleOf(file: Uint8Array, logits: string, score?: string) {
  const model = readModel(file)
  const input = model.graph.input[0].name
  const gradient = inputGradient(model, { input, output: score === undefined ? [logits] : [logits, score] })
  const forward = await node().create({ model: file })
  const backward = await node().create({ model: writeModel(gradient) })
  const oracle = graphOracle({
    forward: (feeds) => forward.run(feeds),
    backward: (feeds) => backward.run(feeds),
    input,
    logits,
    score,
    classes: 10,
  })
  return { oracle, close: () => Promise.all([forward.close(), backward.close()]) }
}

type Oracles = Awaited<ReturnType<typeof oracleOf>>['oracle']

const rightOf = async (oracle: Oracles, images: Batch, labels: ArrayLike<number>): Promise<boolean[]> => {
  const { logits } = await oracle.answers(images)
  const predicted = labelsOf({ rows: labels.length, columns: 10, data: logits })
  return Array.from(labels, (label, i) => predicted[i] === label)
}

export interface AttackPlan {
  readonly classifier: Uint8Array
  /** The network that one attack is made on. */
  readonly surrogate: Uint8Array
  /** The guarded graph and its Mahalanobis score, with the threshold at 5 %. */
  readonly guarded: { readonly file: Uint8Array; readonly score: string; readonly threshold: number }
}

/** Makes the attacks on a set of test images. CW and the adaptive attack, which are slow, on the first of them. */
export async function attackedSets(
  { classifier, surrogate, guarded }: AttackPlan,
  test: SampleSet,
  few: number,
  note: (what: string) => void,
): Promise<Attacked[]> {
  const some = (count: number): SampleSet =>
    subset(
      test,
      Array.from({ length: count }, (_, i) => i),
    )
  const labels = test.labels ?? new Int32Array()
  const images = await batchOf(test)
  const own = await oracleOf(classifier, 'logits')
  const other = await oracleOf(surrogate, 'logits')
  const both = await oracleOf(guarded.file, 'logits', guarded.score)
  try {
    const right = await rightOf(own.oracle, images, labels)
    const attacked = async (name: string, tried: number, { adversarial }: AttackResult): Promise<Attacked> => {
      const still = await rightOf(own.oracle, adversarial, labels.subarray(0, tried))
      const rows = still.flatMap((ok, i) => (right[i] && !ok ? [i] : []))
      const tensor = { dtype: INPUT.dtype, shape: [tried, ...SHAPE], data: adversarial.data }
      return { name, tried, set: subset(tensorSamples(name, tensor), rows) }
    }
    const sets: Attacked[] = []
    for (const epsilon of [0.1, 0.03]) {
      note(`PGD ε = ${epsilon}`)
      const options = { epsilon, steps: STEPS, stepSize: epsilon / 4, range: RANGE, seed: 1 }
      sets.push(await attacked(`PGD ε = ${epsilon}`, test.count, await pgd(own.oracle, images, labels, options)))
    }
    note('PGD of a surrogate')
    const surrogateOptions = { epsilon: 0.1, steps: STEPS, stepSize: 0.025, range: RANGE, seed: 1 }
    sets.push(
      await attacked(
        'PGD ε = 0.1 of a surrogate',
        test.count,
        await pgd(other.oracle, images, labels, surrogateOptions),
      ),
    )
    const fewImages = await batchOf(some(few))
    const fewLabels = labels.subarray(0, few)
    note('CW')
    sets.push(
      await attacked('CW, L2', few, await carliniWagner(own.oracle, fewImages, fewLabels, { range: RANGE, seed: 1 })),
    )
    note('adaptive')
    const knowing = { epsilon: 0.1, steps: 40, range: RANGE, seed: 1, threshold: guarded.threshold }
    sets.push(
      await attacked(
        'adaptive PGD ε = 0.1, on Mahalanobis',
        few,
        await adaptive(both.oracle, fewImages, fewLabels, knowing),
      ),
    )
    return sets
  } finally {
    for (const { close } of [own, other, both]) await close()
  }
}
