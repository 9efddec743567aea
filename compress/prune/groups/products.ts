/**
 * Axes that are products of axes: `Reshape` makes one axis of several or several of one, a grouped convolution reads its
 * channels as groups × channels of a group. What is left after a removal must be a product again, so only one factor can
 * carry the removal: `flat[i·n + j]` goes with factor `i` (whole attention heads, whole convolution groups) or with factor
 * `j` (the same channel of every group). Which one is known when the whole graph has been read: `settle` decides.
 */

import type { Atoms, Axis, Cause } from './atoms.ts'

interface Product {
  readonly flat: Int32Array
  readonly dims: readonly number[]
  readonly factors: readonly Axis[]
  readonly cause: Cause
}

/** The index along each factor, of every position of the product. */
function indicesOf(dims: readonly number[], factor: number): (position: number) => number {
  const stride = dims.slice(factor + 1).reduce((product, dim) => product * dim, 1)
  return (position) => Math.floor(position / stride) % dims[factor]
}

export class Products {
  readonly #atoms: Atoms
  #open: Product[] = []
  /** Sets that a removal is carried by. */
  readonly #carrying = new Set<number>()

  constructor(atoms: Atoms) {
    this.#atoms = atoms
  }

  /** An axis as a product of axes of these sizes. */
  split(flat: Axis, dims: readonly number[], cause: Cause): Axis[] {
    if (!flat) return dims.map(() => null)
    if (dims.filter((dim) => dim > 1).length <= 1) return dims.map((dim) => (dim > 1 ? flat : null))
    const factors = dims.map((dim) => (dim > 1 ? this.#atoms.fresh(dim) : null))
    this.#open.push({ flat, dims, factors, cause })
    return factors
  }

  /** The product of axes. */
  merge(factors: readonly Axis[], dims: readonly number[], cause: Cause): Axis {
    const carrying = factors.flatMap((axis, factor) => (axis ? [factor] : []))
    if (carrying.length === 0) return null
    const length = dims.reduce((product, dim) => product * dim, 1)
    if (carrying.length > 1) {
      const flat = this.#atoms.fresh(length)
      this.#open.push({ flat, dims, factors, cause })
      return flat
    }
    const [factor] = carrying
    const axis = factors[factor] as Int32Array
    if (length === axis.length) return axis
    const index = indicesOf(dims, factor)
    return Int32Array.from({ length }, (_, position) => axis[index(position)])
  }

  /** Decides every product: what is forced first, then the factor with the most pieces. */
  settle(): void {
    while (this.#open.length > 0) {
      const left = this.#open.filter((product) => !this.#forced(product))
      if (left.length === this.#open.length) {
        const [product, ...others] = left
        const pieces = this.#live(product).map((factor) => [factor, this.#sets(product.factors[factor] as Int32Array)])
        this.#choose(product, pieces.reduce((best, next) => (next[1] > best[1] ? next : best))[0])
        this.#open = others
      } else this.#open = left
    }
  }

  /** Whether there was no choice. */
  #forced(product: Product): boolean {
    const { flat, factors } = product
    const stay = flat.every((atom) => this.#atoms.causeOf(atom))
    const live = this.#live(product)
    if (stay || live.length === 0) {
      const [frozen] = stay ? flat : (factors.find((axis) => axis) as Int32Array)
      const cause = this.#atoms.causeOf(frozen) as Cause
      for (const axis of [flat, ...factors]) this.#freeze(axis, cause)
      return true
    }
    const choice = live.length === 1 ? live[0] : (this.#united(product, live) ?? this.#carried(product, live))
    if (choice === undefined) return false
    this.#choose(product, choice)
    return true
  }

  #choose({ flat, dims, factors, cause }: Product, factor: number): void {
    const index = indicesOf(dims, factor)
    const axis = factors[factor] as Int32Array
    for (const [position, atom] of flat.entries()) this.#atoms.unite(atom, axis[index(position)])
    for (const atom of axis) this.#carrying.add(this.#atoms.find(atom))
    for (const [other, rest] of factors.entries()) if (other !== factor) this.#freeze(rest, cause)
  }

  /** Factors along which something may still be removed. */
  #live({ factors }: Product): number[] {
    return factors.flatMap((axis, factor) => (axis?.some((atom) => !this.#atoms.causeOf(atom)) ? [factor] : []))
  }

  /** The factor whose positions are already whole. */
  #united({ flat, dims }: Product, live: readonly number[]): number | undefined {
    const sets = Array.from(flat, (atom) => this.#atoms.find(atom))
    return live.find((factor) => {
      const index = indicesOf(dims, factor)
      const first = new Map<number, number>()
      return sets.every((set, position) => {
        const at = index(position)
        if (!first.has(at)) first.set(at, set)
        return first.get(at) === set
      })
    })
  }

  /** The factor that another product is carried by. */
  #carried({ factors }: Product, live: readonly number[]): number | undefined {
    return live.find((factor) => factors[factor]?.some((atom) => this.#carrying.has(this.#atoms.find(atom))))
  }

  #sets(axis: Int32Array): number {
    return new Set(Array.from(axis, (atom) => this.#atoms.find(atom))).size
  }

  #freeze(axis: Axis, cause: Cause): void {
    for (const atom of axis ?? []) this.#atoms.freeze(atom, cause)
  }
}
