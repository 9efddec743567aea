/** For tests: the MNIST network of this repository as an oracle, and digits to attack. */

import ort from 'onnxruntime-node'
import { inputGradient } from '../../sdk/onnx/gradient/index.ts'
import { type Model, readModel, writeModel } from '../../sdk/onnx/index.ts'
import { mnistClassifier, SIDE, digits as testDigits } from '../mnist.fixture.ts'
import type { AttackResult, Batch, Oracle, Run } from './index.ts'
import { graphOracle } from './index.ts'

export const CLASSES = 10
export const RANGE = { min: 0, max: 1 }

export const mnistModel = (): Model => readModel(mnistClassifier('mnist-cnn.onnx'))

/** The first test digits, pixels / 255. */
export function digits(count: number): { images: Batch; labels: Uint8Array } {
  const { images, labels } = testDigits(count)
  return { images: { shape: [1, SIDE, SIDE], data: images }, labels }
}

/** Runs a model in one thread. */
export async function runner(model: Model): Promise<Run> {
  const options: ort.InferenceSession.SessionOptions = { intraOpNumThreads: 1, logSeverityLevel: 3 }
  const session = await ort.InferenceSession.create(writeModel(model), options)
  return async (feeds) => {
    const given = Object.entries(feeds).map(([name, { data, shape }]) => [
      name,
      new ort.Tensor('float32', data as Float32Array, shape),
    ])
    const outputs = await session.run(Object.fromEntries(given))
    return Object.fromEntries(
      Object.entries(outputs).map(([name, { data, dims }]) => [
        name,
        { dtype: 'float32', shape: dims, data: data as Float32Array },
      ]),
    )
  }
}

/** The network, with gradients. */
export async function mnistOracle(model = mnistModel(), score?: string): Promise<Oracle> {
  const output = score === undefined ? ['logits'] : ['logits', score]
  return graphOracle({
    forward: await runner(model),
    backward: await runner(inputGradient(model, { input: 'image', output })),
    input: 'image',
    logits: 'logits',
    score,
    classes: CLASSES,
  })
}

export const blackBox = ({ classes, answers }: Oracle): Oracle => ({ classes, answers })

export const rate = (flags: ArrayLike<number>): number =>
  Array.from(flags).reduce((sum, flag) => sum + flag, 0) / flags.length

/** The largest change of any element, and whether all lie in the range. */
export function boundsOf({ adversarial }: AttackResult, { data }: Batch): { linf: number; inRange: boolean } {
  let linf = 0
  let inRange = true
  for (const [k, value] of adversarial.data.entries()) {
    linf = Math.max(linf, Math.abs(value - data[k]))
    if (!(value >= RANGE.min && value <= RANGE.max)) inRange = false
  }
  return { linf, inRange }
}
