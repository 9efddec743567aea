/**
 * What is left of a class in the features before the last layer: the area under the ROC curve of a linear probe, least squares with
 * a small ridge, that is trained with labels to tell the class from the rest.
 */

import { Matrix, solve } from 'ml-matrix'
import { copyOf } from '../../../compress/prune/weights.ts'
import { indexGraph, type Model, makeUntypedOutput, writeModel } from '../../../sdk/onnx/index.ts'
import type { SampleSet } from '../../../sdk/pack/samples/index.ts'
import { areaOf, rowsOver } from './accuracy.ts'

const RIDGE = 1e-4

/** What the last Gemm or MatMul of a classifier reads. */
export function penultimateOf(model: Model): string {
  const last = indexGraph(model.graph).graph.node.findLast(({ opType }) => opType === 'Gemm' || opType === 'MatMul')
  return last?.input[0] ?? ''
}

/** What the last layer reads of each sample, with a 1 behind it. */
export async function featuresOf(model: Model, samples: SampleSet): Promise<Float64Array[]> {
  const value = penultimateOf(model)
  const output = [...model.graph.output, makeUntypedOutput(value)]
  const longer = copyOf(model, { graph: copyOf(model.graph, { output }) })
  const { rows, columns, data } = await rowsOver(writeModel(longer), samples, value)
  return Array.from({ length: rows }, (_, row) =>
    Float64Array.of(...data.subarray(row * columns, (row + 1) * columns), 1),
  )
}

/** The probe's area on other samples than those that it is trained on, in percent; 50 is chance. */
export function probeArea(
  train: readonly Float64Array[],
  trainIs: readonly boolean[],
  test: readonly Float64Array[],
  testIs: readonly boolean[],
): number {
  const size = train[0].length
  const gram = new Float64Array(size * size)
  const cross = Matrix.zeros(size, 1)
  for (const [row, u] of train.entries()) {
    for (let i = 0; i < size; i++) {
      if (trainIs[row]) cross.set(i, 0, cross.get(i, 0) + u[i])
      for (let j = 0; j < size; j++) gram[i * size + j] += u[i] * u[j]
    }
  }
  const matrix = Matrix.from1DArray(size, size, gram)
  const ridge = (RIDGE * matrix.trace()) / size
  for (let i = 0; i < size; i++) matrix.set(i, i, matrix.get(i, i) + ridge)
  const weights = solve(matrix, cross).to1DArray()
  const scores = test.map((u) => u.reduce((sum, value, i) => sum + value * weights[i], 0))
  return areaOf(scores, (i) => testIs[i])
}
