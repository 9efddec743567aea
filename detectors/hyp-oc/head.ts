/**
 * Hyp-OC as graph nodes: what `scoreHypOc` computes, in operators that every execution provider has.
 *
 * With T = tanh(√c‖v‖) of the clipped v, c‖h‖² = T², and the logit of a gyroplane (p, a), whose Möbius sum's denominator
 * cancels, is λ_p‖a‖/√c · asinh(2√c/(1 − T²) · (⟨h, m⟩ − κ(1 + T²))), where κ = ⟨p, a⟩ / ((1 − c‖p‖²)‖a‖) and m =
 * a/‖a‖ + 2cκp are constants. So both logits are one product.
 */

import type { Fragment } from '../../sdk/onnx/index.ts'
import { conformalFactor } from './poincare.ts'
import { featureLimit, type HypOc, NEAR, Z_LIMIT } from './score.ts'

const dot = (x: Float32Array, y: Float32Array): number => x.reduce((sum, value, i) => sum + value * y[i], 0)

/** κ, m and the factor before asinh of a gyroplane. */
function gyroplaneConstants(point: Float32Array, normal: Float32Array, c: number) {
  const length = Math.sqrt(dot(normal, normal)) || 1
  const factor = conformalFactor(point, c)
  const kappa = (factor * dot(point, normal)) / (2 * length)
  const direction = Array.from(normal, (value, i) => value / length + 2 * c * kappa * point[i])
  return { kappa, direction, scale: (factor * length) / Math.sqrt(c) }
}

/**
 * Appends the head of a fitted Hyp-OC to a fragment.
 *
 * @param features name of a float32 value [n, model.columns]
 * @returns name of the score: float32 [n], log-odds of spoof, finite for all finite features
 * @example
 * const fragment = new Fragment({ opset: opsetOf(model), prefix: 'hardpack/hyp-oc' })
 * const score = hypOcHead(fitted, fragment, pooled)
 */
export function hypOcHead(model: HypOc, fragment: Fragment, features: string): string {
  const { columns, mean, whitening, layers, curvature: c, radius, points, normals } = model
  const rank = whitening.length / columns
  const limit = featureLimit(model)
  const { node, reduce } = {
    node: (op: string, ...inputs: string[]) => fragment.node(op, inputs),
    reduce: (value: string) => fragment.reduce('ReduceSum', value, [1], true),
  }

  const centred = fragment.clip(node('Sub', features, fragment.floats(mean)), -limit, limit)
  const dense = (x: string, weights: ArrayLike<number>, bias: ArrayLike<number>): string => {
    const matrix = fragment.floats(weights, [bias.length, weights.length / bias.length])
    return fragment.node('Gemm', [x, matrix, fragment.floats(bias)], { transB: 1 })
  }
  const z = fragment.clip(dense(centred, whitening, new Float32Array(rank)), -Z_LIMIT, Z_LIMIT)
  const near = fragment.clip(z, -NEAR, NEAR)
  const excessOf = (value: string): string => node('Sub', node('Mul', value, value), fragment.scalar(1))
  const squares = node('Mul', excessOf(near), fragment.scalar(Math.SQRT1_2))
  const norm2 = node('Mul', reduce(excessOf(z)), fragment.scalar(1 / Math.sqrt(2 * rank)))
  let u = fragment.node('Concat', [near, squares, norm2], { axis: 1 })
  layers.forEach(({ weights, bias }, layer) => {
    u = dense(u, weights, bias)
    if (layer < layers.length - 1) u = node('Relu', u)
  })

  // Below 1e-12 the norm makes no difference to u · tanh(√c‖v‖) / (√c‖u‖), but 0 would give 0 / 0.
  const norm = node('Sqrt', fragment.clip(reduce(node('Mul', u, u)), 1e-24, 3e38))
  const root = Math.sqrt(c)
  const tanh = node('Tanh', node('Mul', fragment.clip(norm, 0, radius), fragment.scalar(root)))
  const h = node('Mul', u, node('Div', tanh, node('Mul', norm, fragment.scalar(root))))

  const planes = points.map((point, k) => gyroplaneConstants(point, normals[k], c))
  const directions = planes.flatMap(({ direction }) => direction)
  const one = fragment.scalar(1)
  const tanh2 = node('Mul', tanh, tanh)
  const along = dense(h, directions, [0, 0])
  const across = node('Mul', node('Add', one, tanh2), fragment.floats(planes.map(({ kappa }) => kappa)))
  const stretch = node('Div', fragment.scalar(2 * root), node('Sub', one, tanh2))
  const distances = node('Asinh', node('Mul', node('Sub', along, across), stretch))
  const difference = fragment.floats([-planes[0].scale, planes[1].scale], [2, 1])
  return fragment.squeeze(node('MatMul', distances, difference), [1])
}
