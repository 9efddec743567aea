/**
 * Atoms: one for each position along an axis that channels lie on. Positions that can only be kept or removed together have
 * their atoms united (union-find, path halving; Galler and Fischer 1964). A set with a cause is frozen: it stays.
 */

/** Why channels must stay, and which node says so. */
export interface Cause {
  readonly op: string
  readonly node: string
  readonly reason: string
}

/** The atoms of the positions along an axis; null where nothing may be removed, as along batches and pictures. */
export type Axis = Int32Array | null

export class Atoms {
  readonly #parents: number[] = []
  readonly #causes = new Map<number, Cause>()

  get count(): number {
    return this.#parents.length
  }

  /** New atoms, each a set of its own. */
  fresh(count: number): Int32Array {
    const first = this.#parents.length
    for (let i = 0; i < count; i++) this.#parents.push(first + i)
    return Int32Array.from({ length: count }, (_, i) => first + i)
  }

  /** The atom that stands for a set. */
  find(atom: number): number {
    const parents = this.#parents
    let at = atom
    while (parents[at] !== at) {
      parents[at] = parents[parents[at]]
      at = parents[at]
    }
    return at
  }

  unite(a: number, b: number): void {
    const [first, second] = [this.find(a), this.find(b)]
    if (first === second) return
    // The older set's cause is the nearer one to the source.
    const [root, child] = first < second ? [first, second] : [second, first]
    this.#parents[child] = root
    const cause = this.#causes.get(root) ?? this.#causes.get(child)
    if (cause) this.#causes.set(root, cause)
  }

  freeze(atom: number, cause: Cause): void {
    const root = this.find(atom)
    if (!this.#causes.has(root)) this.#causes.set(root, cause)
  }

  /** Why the set of an atom stays, if it must. */
  causeOf(atom: number): Cause | undefined {
    return this.#causes.get(this.find(atom))
  }
}
