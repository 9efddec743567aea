/**
 * What a network remembers of its training data: a BatchNormalization that was not folded into the layer before it holds the
 * mean and variance that each channel had there (Yin et al., "Dreaming to distill", CVPR 2020, invert networks by them).
 * Here nothing is optimised: of many candidates, those are chosen that together have these statistics, one after another,
 * each so that the sum of all so far is as near to the target as can be (herding; Welling, ICML 2009).
 */

import type { Execute, Samples } from '../../../compress/prune/index.ts'
import { type CallOptions, elementCount, throwIfAborted } from '../../core/index.ts'
import {
  appendToFile,
  Fragment,
  indexGraph,
  type Model,
  makeUntypedOutput,
  opsetOf,
  payloadOf,
  writeModel,
} from '../../onnx/index.ts'
import { numbersOf } from '../../pack/samples/preprocess.ts'
import { filled } from '../../run/rows.ts'

/** Only the first layers: what later ones see depends on what a picture shows, and ours show nothing. */
const LAYERS = 4
const BATCH = 32

/** A live BatchNormalization: what it normalises, and the statistics that it remembers. */
interface Remembered {
  readonly value: string
  readonly mean: ArrayLike<number>
  readonly variance: ArrayLike<number>
}

/** The first BatchNormalizations behind convolutions. */
function rememberedBy({ graph }: Model): Remembered[] {
  const { producers, constants } = indexGraph(graph)
  return graph.node
    .flatMap(({ opType, input: [value, , , meanName, varianceName] }) => {
      if (opType !== 'BatchNormalization' || producers.get(value)?.opType !== 'Conv') return []
      const [mean, variance] = [meanName, varianceName].map((name) => {
        const tensor = constants.get(name)
        return tensor && payloadOf(tensor)
      })
      return mean && variance ? [{ value, mean: numbersOf(mean), variance: numbersOf(variance) }] : []
    })
    .slice(0, LAYERS)
}

/**
 * The numbers of those candidates that together have the statistics that a model remembers.
 *
 * @param input the name of the model's input; `batch` its fixed batch, if it has one
 * @returns `count` numbers, ascending; `undefined` for a model that remembers nothing
 * @example
 * const chosen = await matchedSamples(model, candidates, 512, execute, { input: 'image' })
 */
export async function matchedSamples(
  model: Model,
  candidates: Samples,
  count: number,
  execute: Execute,
  { input, batch, signal, onProgress }: CallOptions & { readonly input: string; readonly batch?: number },
): Promise<number[] | undefined> {
  const remembered = rememberedBy(model)
  if (remembered.length === 0) return undefined
  const fragment = new Fragment({ opset: opsetOf(model), prefix: 'matched' })
  const outputs = remembered.flatMap(({ value }) => {
    const square = fragment.node('Mul', [value, value])
    return [value, square].map((one) => fragment.node('GlobalAveragePool', [one]))
  })
  const { file } = appendToFile(writeModel(model), {
    nodes: fragment.nodes,
    initializers: fragment.initializers,
    outputs: outputs.map(makeUntypedOutput),
  })
  const session = await execute(file, { signal })
  const deviations: Float64Array[] = []
  try {
    const size = batch ?? BATCH
    for (let start = 0; start < candidates.count; start += size) {
      throwIfAborted(signal)
      onProgress?.({ stage: 'match synthetic samples', done: start, total: candidates.count })
      const wanted = Array.from({ length: Math.min(size, candidates.count - start) }, (_, i) => start + i)
      const tensor = await candidates.batch(batch === undefined ? wanted : filled(wanted, batch))
      const results = await session.run({ [input]: tensor }, { signal })
      for (const row of wanted.keys()) {
        deviations.push(
          Float64Array.from(
            remembered.flatMap((layer, i) => {
              const [means, squares] = [outputs[2 * i], outputs[2 * i + 1]].map((name) => {
                const { shape } = results[name]
                const channels = elementCount(shape.slice(1))
                return numbersOf(results[name], row * channels, (row + 1) * channels)
              })
              return deviationOf(layer, means, squares)
            }),
          ),
        )
      }
    }
  } finally {
    await session.close()
  }
  onProgress?.({ stage: 'match synthetic samples', done: candidates.count, total: candidates.count })
  return herded(deviations, count)
}

/** How far a sample's first and second moments are from the remembered ones, in units of the latter. */
function deviationOf({ mean, variance }: Remembered, means: Float64Array, squares: Float64Array): number[] {
  return Array.from(means).flatMap((own, c) => {
    const deviation = Math.sqrt(variance[c] + 1e-12)
    const second = variance[c] + mean[c] ** 2
    return [(own - mean[c]) / deviation, (squares[c] - second) / (2 * (second + 1e-12))]
  })
}

/** Chooses vectors whose sum stays near zero. */
function herded(vectors: readonly Float64Array[], count: number): number[] {
  const sum = new Float64Array(vectors[0]?.length ?? 0)
  const left = new Set(vectors.keys())
  const chosen: number[] = []
  while (chosen.length < count && left.size > 0) {
    let best = -1
    let least = Number.POSITIVE_INFINITY
    for (const i of left) {
      const vector = vectors[i]
      let distance = 0
      for (let d = 0; d < sum.length; d++) distance += (sum[d] + vector[d]) ** 2
      if (distance < least) {
        least = distance
        best = i
      }
    }
    // Vectors that are no numbers are never nearest.
    if (best < 0) break
    left.delete(best)
    chosen.push(best)
    for (let d = 0; d < sum.length; d++) sum[d] += vectors[best][d]
  }
  return chosen.sort((a, b) => a - b)
}
