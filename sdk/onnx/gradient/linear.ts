/** Matrix products. */

import { float } from '../build.ts'
import { END, type Rules, type Site } from './site.ts'

/** A stack of matrices with the last two axes exchanged, whatever its rank. */
function transposed(site: Site, value: string): string {
  const batch = site.dims(value, 0, -2)
  const matrix = site.dims(value, -2)
  const turned = site.fragment.slice(matrix, 0, -1, -END, -1)
  const concat = (...parts: string[]): string => site.nodeOf('Concat', parts, { axis: 0 })
  const stack = site.op('Reshape', value, concat(site.fragment.integers([-1]), matrix))
  const flipped = site.nodeOf('Transpose', [stack], { perm: [0, 2, 1] })
  return site.op('Reshape', flipped, concat(batch, turned))
}

/** The transpose of input `i`, as one node where its rank is known. */
function transposedInput(site: Site, i: number): string {
  const rank = site.constant(i)?.shape.length
  if (rank !== 2) return transposed(site, site.node.input[i])
  return site.nodeOf('Transpose', [site.node.input[i]], { perm: [1, 0] })
}

export const LINEAR: Rules = {
  MatMul: (site) => {
    const [a, b] = site.node.input
    const [rankA, rankB] = [0, 1].map((i) => site.constant(i)?.shape.length)
    if (rankA === 1 || rankB === 1) {
      // y = A b or y = a B, with a constant vector: it becomes a column or a row.
      if (site.wants(0)) return [site.op('Mul', site.fragment.unsqueeze(site.g, [-1]), b)]
      const column = site.fragment.reshape(a, [-1, 1])
      return [undefined, site.unbroadcast(site.op('MatMul', column, site.fragment.unsqueeze(site.g, [-2])), b)]
    }
    return [
      site.wants(0) ? site.unbroadcast(site.op('MatMul', site.g, transposedInput(site, 1)), a) : undefined,
      site.wants(1) ? site.unbroadcast(site.op('MatMul', transposedInput(site, 0), site.g), b) : undefined,
    ]
  },
  /** Y = α A' B' + β C. */
  Gemm: (site) => {
    const [a, b, c] = site.node.input
    const alpha = float(site.float('alpha', 1))
    const transA = site.int('transA', 0)
    const transB = site.int('transB', 0)
    const gemm = (left: string, right: string, tA: number, tB: number): string =>
      site.nodeOf('Gemm', [left, right], { alpha, transA: tA, transB: tB })
    return [
      site.wants(0) ? (transA ? gemm(b, site.g, transB, 1) : gemm(site.g, b, 0, 1 - transB)) : undefined,
      site.wants(1) ? (transB ? gemm(site.g, a, 1, transA) : gemm(a, site.g, 1 - transA, 0)) : undefined,
      site.wants(2) ? site.unbroadcast(site.op('Mul', site.g, site.scalar(site.float('beta', 1))), c) : undefined,
    ]
  },
}
