/**
 * In which order the units of a group are removed, and what the layers that read them become meanwhile.
 *
 * A reader computes Y = W u. Without the columns B of a unit, ridge least squares on the rest gives (block elimination, as in optimal
 * brain surgery; Hassibi and Stork 1993) with P = (Σ + λI)⁻¹
 *
 *     loss   Σ_c w_cB [P_BB]⁻¹ w_cBᵀ
 *     W'   = W − W_B [P_BB]⁻¹ P_B:      the full refit W_S + W_R Σ_RS (Σ_SS + λI)⁻¹, one unit at a time
 *     P'   = P − P_:B [P_BB]⁻¹ P_B:     the inverse for the columns that are left
 *
 * The removal loss is what the outputs lose after that refit, so the unit of the least loss goes first. A group with several
 * readers (a residual stream) adds up their losses, each as a share of the power of what the reader gives.
 */

import { cholesky, inverseOf, principal } from './symmetric.ts'

/** One reader of a group, of one convolution group. */
export interface System {
  /** Outputs of the layer. */
  readonly rows: number
  /** Numbers in a column u. */
  readonly size: number
  /** W, `[rows, size]`. */
  readonly weights: Float64Array
  /** Σ, centred, `[size, size]`. */
  readonly covariance: Float64Array
  /** (Σ + λI)⁻¹, `[size, size]`. */
  readonly precision: Float64Array
  /** The columns of each unit. */
  readonly columns: readonly (readonly number[])[]
}

/** What a removal has come to. */
export interface Removal {
  /** Units that are left, ascending. */
  readonly kept: readonly number[]
  /** W of each system after the refit, zero in removed columns. */
  readonly weights: readonly Float64Array[]
  /** The unit that went last, and its removal loss; 0 in a given order. */
  readonly unit: number
  readonly loss: number
}

/** E‖Y‖² of a system, centred: tr W Σ Wᵀ. */
export function powerOf({ rows, size, weights, covariance }: System): number {
  let power = 0
  for (let row = 0; row < rows; row++) {
    const w = weights.subarray(row * size, (row + 1) * size)
    for (let i = 0; i < size; i++) {
      let sum = 0
      for (let j = 0; j < size; j++) sum += covariance[i * size + j] * w[j]
      power += w[i] * sum
    }
  }
  return power
}

/** A system in the course of removals. */
class Elimination {
  readonly weights: Float64Array
  readonly #system: System
  readonly #precision: Float64Array
  readonly #left: Set<number>
  readonly #scale: number

  constructor(system: System) {
    this.#system = system
    this.weights = Float64Array.from(system.weights)
    this.#precision = Float64Array.from(system.precision)
    this.#left = new Set(Array.from({ length: system.size }, (_, i) => i))
    this.#scale = 1 / (powerOf(system) || 1)
  }

  /** [P_BB]⁻¹ of a unit's columns; zero where those never vary. */
  #block(columns: readonly number[]): Float64Array {
    const factor = cholesky(principal(this.#precision, this.#system.size, columns), columns.length)
    return factor ? inverseOf(factor, columns.length) : new Float64Array(columns.length ** 2)
  }

  /** Adds the removal loss of each unit that is left, as a share of the power of the outputs. */
  addLosses(left: Iterable<number>, losses: Float64Array): void {
    const { columns } = this.#system
    const candidates = [...left]
    const moments = this.#moments(candidates)
    for (const [k, unit] of candidates.entries()) {
      const block = this.#block(columns[unit])
      let loss = 0
      for (let i = 0; i < block.length; i++) loss += block[i] * moments[k][i]
      losses[unit] += loss * this.#scale
    }
  }

  /** Σ_c w_cB w_cBᵀ of each unit, row after row of W: its columns are far apart in memory. */
  #moments(units: readonly number[]): Float64Array[] {
    const { size, columns } = this.#system
    const { weights } = this
    if (units.every((unit) => columns[unit].length === 1)) {
      const squares = new Float64Array(size)
      for (let row = 0; row < weights.length; row += size) {
        for (let i = 0; i < size; i++) squares[i] += weights[row + i] * weights[row + i]
      }
      return units.map((unit) => squares.slice(columns[unit][0], columns[unit][0] + 1))
    }
    const moments = units.map((unit) => new Float64Array(columns[unit].length ** 2))
    for (let row = 0; row < weights.length; row += size) {
      for (let k = 0; k < units.length; k++) {
        const own = columns[units[k]]
        const moment = moments[k]
        for (let i = 0, at = 0; i < own.length; i++) {
          const w = weights[row + own[i]]
          for (let j = 0; j < own.length; j++) moment[at++] += w * weights[row + own[j]]
        }
      }
    }
    return moments
  }

  remove(unit: number): void {
    const { rows, size } = this.#system
    const columns = this.#system.columns[unit]
    const count = columns.length
    const block = this.#block(columns)
    for (const column of columns) this.#left.delete(column)
    // [P_BB]⁻¹ P_B:, zero in removed columns: sweeps over whole rows are faster than those over the columns that are left.
    const carried = new Float64Array(count * size)
    for (let i = 0; i < count; i++) {
      for (let k = 0; k < count; k++) {
        const f = block[i * count + k]
        const from = columns[k] * size
        for (let j = 0; j < size; j++) carried[i * size + j] += f * this.#precision[from + j]
      }
      for (const column of columns) carried[i * size + column] = 0
    }
    const less = (matrix: Float64Array, row: number): void => {
      for (let i = 0; i < count; i++) {
        const f = matrix[row + columns[i]]
        if (f === 0) continue
        const at = i * size
        for (let j = 0; j < size; j++) matrix[row + j] -= f * carried[at + j]
        matrix[row + columns[i]] = 0
      }
    }
    for (let row = 0; row < rows; row++) less(this.weights, row * size)
    for (const row of this.#left) less(this.#precision, row * size)
  }
}

/**
 * Removes the units of a group one after another, those of the least removal loss first, or in a given order.
 *
 * @param order the units in the order of removal; by the removal loss unless told
 * @returns what is left after each removal; the same arrays are used again by the next
 * @example
 * for (const { kept, weights } of removals(systems)) if (kept.length === 8) break
 */
export function* removals(systems: readonly System[], units: number, order?: readonly number[]): Generator<Removal> {
  const eliminations = systems.map((system) => new Elimination(system))
  const left = new Set(Array.from({ length: units }, (_, i) => i))
  for (let step = 0; step < units; step++) {
    const losses = new Float64Array(units)
    if (!order) for (const elimination of eliminations) elimination.addLosses(left, losses)
    const unit = order?.[step] ?? [...left].reduce((least, other) => (losses[other] < losses[least] ? other : least))
    const loss = losses[unit]
    for (const elimination of eliminations) elimination.remove(unit)
    left.delete(unit)
    yield { kept: [...left], weights: eliminations.map(({ weights }) => weights), unit, loss }
  }
}
