/**
 * Scales of the rows of convolutions beside the BatchNormalization that follows: how many bits a scale on quarter octaves takes by itself,
 * and when it is predicted from the logarithms of gamma and of the variance by least squares.
 */

import { locateWeights, readModel } from '../../../sdk/onnx/index.ts'

export interface FollowedScales {
  readonly model: string
  readonly rows: number
  readonly weights: number
  /** Bits a scale of its own. */
  readonly alone: number
  readonly after: number
}

/** Bits of numbers at their own frequencies. */
function entropyOf(steps: readonly number[]): number {
  const counts = new Map<number, number>()
  for (const step of steps) counts.set(step, (counts.get(step) ?? 0) + 1)
  let bits = 0
  for (const n of counts.values()) bits += n * Math.log2(steps.length / n)
  return bits
}

const centered = (values: readonly number[]): number[] => {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length
  return values.map((value) => value - mean)
}

/** What is left of y after least squares on two variables, all centered. */
function residual(y: readonly number[], u: readonly number[], v: readonly number[]): number[] {
  const product = (a: readonly number[], b: readonly number[]): number => a.reduce((sum, x, i) => sum + x * b[i], 0)
  const [uu, uv, vv, uy, vy] = [product(u, u) + 1e-6, product(u, v), product(v, v) + 1e-6, product(u, y), product(v, y)]
  const determinant = uu * vv - uv * uv + 1e-9
  const a = (vv * uy - uv * vy) / determinant
  const b = (uu * vy - uv * uy) / determinant
  return y.map((value, i) => value - a * u[i] - b * v[i])
}

/** Of the convolutions of a model; `undefined` where none is followed by a BatchNormalization. */
export function followedScales(name: string, model: Uint8Array): FollowedScales | undefined {
  const { graph } = readModel(model)
  const floats = new Map(
    locateWeights(model)
      .filter(({ dtype }) => dtype === 'float32')
      .map(({ name: own, start, end }) => [own, new Float32Array(model.slice(start, end).buffer)]),
  )
  let rows = 0
  let weights = 0
  let alone = 0
  let after = 0
  for (const { opType, input } of graph?.node ?? []) {
    if (opType !== 'BatchNormalization') continue
    const convolution = graph?.node.find(({ opType: type, output }) => type === 'Conv' && output[0] === input[0])
    const [kernel, gamma, variance] = [convolution?.input[1], input[1], input[4]].map((own) => floats.get(own ?? ''))
    if (!kernel || !gamma || !variance) continue
    const width = kernel.length / gamma.length
    const scales = Array.from(gamma, (_, r) => {
      const square = kernel.subarray(r * width, (r + 1) * width).reduce((sum, w) => sum + w * w, 0)
      return 2 * Math.log2(square / width + 1e-30)
    })
    const logs = [gamma, variance].map((own) => centered(Array.from(own, (g) => Math.log2(Math.abs(g) + 1e-12))))
    const y = centered(scales)
    rows += gamma.length
    weights += kernel.length
    alone += entropyOf(y.map(Math.round))
    after += entropyOf(residual(y, logs[0], logs[1]).map(Math.round))
  }
  return rows > 0 ? { model: name, rows, weights, alone: alone / rows, after: after / rows } : undefined
}
