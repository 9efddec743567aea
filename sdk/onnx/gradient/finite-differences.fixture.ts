/** For tests: the gradient of a graph against five-point central differences, both through ONNX Runtime. */

import assert from 'node:assert/strict'
import ort from 'onnxruntime-node'
import { elementCount, rng, type Tensor } from '../../core/index.ts'
import { type Model, writeModel } from '../model.ts'
import { GRADIENT, inputGradient, SEED } from './index.ts'

const OPTIONS: ort.InferenceSession.SessionOptions = { logSeverityLevel: 3, intraOpNumThreads: 1 }

export type Feeds = Readonly<Record<string, Tensor>>

type Floats = Float32Array | Float64Array

const feedOf = ({ dtype, data, shape }: Tensor): ort.Tensor =>
  new ort.Tensor(dtype as ort.Tensor.Type, data as ort.Tensor.DataType, shape)

export interface Check {
  readonly input: string
  readonly output: string
  /** The distance between two points of the five. */
  readonly step?: number
  /** How far the two may be apart, times the largest derivative or 1. */
  readonly tolerance?: number
  /** Differences along so many random directions instead of along each element. */
  readonly directions?: number
  readonly seed?: number
}

/**
 * Differentiates ⟨seed, output⟩ for a random seed, both ways.
 *
 * @returns the largest distance between the two, relative to the largest derivative or 1
 */
export async function checkGradient(
  model: Model,
  feeds: Feeds,
  { input, output, step = 0.02, tolerance = 1e-3, directions = 0, seed = 1 }: Check,
): Promise<number> {
  const differentiated = await ort.InferenceSession.create(writeModel(inputGradient(model, { input, output })), OPTIONS)
  const session = await ort.InferenceSession.create(writeModel(model), OPTIONS)
  const ortFeeds = Object.fromEntries(Object.entries(feeds).map(([name, tensor]) => [name, feedOf(tensor)]))
  const { data, shape, dtype } = feeds[input]
  const x = data as Floats
  const { [output]: y } = await session.run(ortFeeds)
  const { uniform } = rng(seed, 7)
  const arrayOf = (map: (i: number) => number, length: number): Floats =>
    dtype === 'float64'
      ? Float64Array.from({ length }, (_, i) => map(i))
      : Float32Array.from({ length }, (_, i) => map(i))
  const cotangent = arrayOf(() => 2 * uniform() - 1, elementCount(y.dims))
  const seedTensor = new ort.Tensor(dtype as 'float32', cotangent as Float32Array, y.dims)
  const { [GRADIENT]: result } = await differentiated.run({ ...ortFeeds, [SEED]: seedTensor })
  assert.deepEqual([...result.dims], [...shape], 'the gradient has the shape of the input')
  const gradient = result.data as Floats

  const outputAt = async (direction: ArrayLike<number>, scale: number): Promise<Floats> => {
    const moved = arrayOf((i) => x[i] + scale * direction[i], x.length)
    const tensor = new ort.Tensor(dtype as 'float32', moved as Float32Array, shape)
    return (await session.run({ ...ortFeeds, [input]: tensor }))[output].data as Floats
  }
  let worst = 0
  let largest = 1
  const count = directions || x.length
  for (let k = 0; k < count; k++) {
    const direction = Float64Array.from(x, (_, i) => (directions ? (uniform() < 0.5 ? -1 : 1) : i === k ? 1 : 0))
    const [a, b, c, d] = [
      await outputAt(direction, -2 * step),
      await outputAt(direction, -step),
      await outputAt(direction, step),
      await outputAt(direction, 2 * step),
    ]
    let expected = 0
    for (let i = 0; i < cotangent.length; i++) {
      expected += (cotangent[i] * (8 * (c[i] - b[i]) - (d[i] - a[i]))) / (12 * step)
    }
    const got = direction.reduce((sum, value, i) => sum + value * gradient[i], 0)
    assert.ok(Number.isFinite(got), `gradient ${k} is ${got}`)
    worst = Math.max(worst, Math.abs(got - expected))
    largest = Math.max(largest, Math.abs(expected))
  }
  await differentiated.release()
  await session.release()
  assert.ok(worst <= tolerance * largest, `gradient and differences are ${worst} apart, of ${largest}`)
  return worst / largest
}

/** Numbers in [low, high) in a random order, none closer to another or to 0 than half their spacing. */
export function spacedTensor(shape: readonly number[], low = -2, high = 2, dtype: 'float32' | 'float64' = 'float32') {
  const count = elementCount(shape)
  const { below } = rng(count, 3)
  const values = Float64Array.from({ length: count }, (_, i) => low + ((i + 0.5) * (high - low)) / count)
  for (let i = count - 1; i > 0; i--) {
    const j = below(i + 1)
    ;[values[i], values[j]] = [values[j], values[i]]
  }
  return { dtype, shape, data: dtype === 'float64' ? values : Float32Array.from(values) } satisfies Tensor
}
