/**
 * What is left of a class in the features before the last layer: the area under the ROC curve of a linear probe, least squares with
 * a small ridge, that is trained with labels to tell the class from the rest.
 */

import { Matrix, solve } from 'ml-matrix'
import { indexGraph, type Model, makeUntypedOutput, writeModel } from '../../../sdk/onnx/index.ts'
import type { SampleSet } from '../../../sdk/pack/samples/index.ts'
import { node } from '../../../targets/node.ts'
import { areaOf } from './accuracy.ts'

const BATCH = 250
const RIDGE = 1e-4

/** What the last Gemm or MatMul of a classifier reads. */
export function penultimateOf(model: Model): string {
  const last = indexGraph(model.graph).graph.node.findLast(({ opType }) => opType === 'Gemm' || opType === 'MatMul')
  return last?.input[0] ?? ''
}

async function featuresOf(model: Model, samples: SampleSet): Promise<Float64Array[]> {
  const value = penultimateOf(model)
  const graph = Object.assign(Object.create(Object.getPrototypeOf(model.graph)), model.graph, {
    output: [...model.graph.output, makeUntypedOutput(value)],
  })
  const longer: Model = Object.assign(Object.create(Object.getPrototypeOf(model)), model, { graph })
  const session = await node({ threads: 1 }).create({ model: writeModel(longer) })
  const rows: Float64Array[] = []
  try {
    const [{ name }] = session.inputs
    for (let start = 0; start < samples.count; start += BATCH) {
      const indices = Array.from({ length: Math.min(BATCH, samples.count - start) }, (_, i) => start + i)
      const { data, shape } = (await session.run({ [name]: await samples.batch(indices) }))[value]
      const columns = data.length / shape[0]
      for (let row = 0; row < shape[0]; row++) {
        rows.push(
          Float64Array.from({ length: columns + 1 }, (_, i) => (i < columns ? Number(data[row * columns + i]) : 1)),
        )
      }
    }
  } finally {
    await session.close()
  }
  return rows
}

/** The probe's area on `test`, in percent; 50 is chance. */
export async function probeOf(model: Model, chosen: number, train: SampleSet, test: SampleSet): Promise<number> {
  const features = await featuresOf(model, train)
  const size = features[0].length
  const gram = Matrix.zeros(size, size)
  const cross = Matrix.zeros(size, 1)
  for (const [row, u] of features.entries()) {
    const y = train.labels?.[row] === chosen ? 1 : 0
    for (let i = 0; i < size; i++) {
      cross.set(i, 0, cross.get(i, 0) + u[i] * y)
      for (let j = 0; j < size; j++) gram.set(i, j, gram.get(i, j) + u[i] * u[j])
    }
  }
  const ridge = (RIDGE * gram.trace()) / size
  for (let i = 0; i < size; i++) gram.set(i, i, gram.get(i, i) + ridge)
  const weights = solve(gram, cross).to1DArray()
  const scores = (await featuresOf(model, test)).map((u) => u.reduce((sum, value, i) => sum + value * weights[i], 0))
  return areaOf(scores, (i) => test.labels?.[i] === chosen)
}
