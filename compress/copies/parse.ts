/**
 * Which elements of a chunk are copies: the cheapest way through it, by estimated bits. Candidates come from chains of places
 * with the same few elements (as in zlib, but read either way), and the path from a shortest-path search over
 * all elements (Storer and Szymanski 1982; Ferragina, Nitto, Venturini 2009), which keeps the distances of its path so
 * far, since naming one of them again is cheap.
 */

import { RECENT, type Token } from './tokens.ts'

/** Elements as numbers: the same for elements that differ in the sign bit alone. */
export interface Elements {
  readonly ids: Int32Array
  /** 1 where the sign bit is set; all 0 where it means nothing. */
  readonly signs: Uint8Array
  /** Elements that are looked up together. */
  readonly gram: number
  /** Bits that an element costs that is no copy. */
  readonly literalBits: number
}

/** Places of a chain that are tried. */
const TRIES = 32
/** A copy from this length on is taken without a look at shorter ones. */
const LONG = 64
const LITERAL_RUN_BITS = 4
const COPY_BITS = 2
const RECENT_DISTANCE_BITS = 3

/** What naming a number from 1 on costs, nearly. */
const numberBits = (value: number): number => 2 + Math.log2(value)

interface Match {
  readonly distance: number
  readonly backwards: boolean
  readonly flipped: boolean
  readonly length: number
}

/** How far the elements from `at` on are those from `from` on, or before it, all with their signs or all with the others. */
function matchAt({ ids, signs }: Elements, at: number, from: number, backwards: boolean): Match {
  const step = backwards ? -1 : 1
  const flip = signs[at] ^ signs[from]
  const limit = backwards ? Math.min(ids.length - at, from + 1) : ids.length - at
  let length = 0
  for (let other = from; length < limit; length++, other += step) {
    // A copy that reaches itself copies what it has made: elements with their signs already flipped.
    if (ids[at + length] !== ids[other] || (signs[at + length] ^ signs[other]) !== flip) break
  }
  return { distance: at - from, backwards, flipped: flip === 1, length }
}

/** Chains of earlier places with the same elements in either order. */
function chainsOf({ ids, gram }: Elements): Int32Array {
  const previous = new Int32Array(ids.length).fill(-1)
  const last = new Map<number, number>()
  for (let at = 0; at + gram <= ids.length; at++) {
    let key = 0
    // Symmetric in its elements, so that a place read backwards is in the same chain.
    for (let i = 0; i < gram; i++) key = (key + Math.imul(ids[at + i] + 1, 0x9e3779b1)) | 0
    previous[at] = last.get(key) ?? -1
    last.set(key, at)
  }
  return previous
}

/**
 * The cheapest tokens for elements.
 *
 * @example
 * parse({ ids: Int32Array.of(5, 6, 5, 6), signs: new Uint8Array(4), gram: 1, literalBits: 27 })
 * // [{ literals: 2 }, { length: 2, distance: 2, backwards: false, flipped: false }]
 */
export function parse(elements: Elements): Token[] {
  const { ids, gram, literalBits } = elements
  const count = ids.length
  const previous = chainsOf(elements)
  const costs = new Float64Array(count + 1).fill(Number.POSITIVE_INFINITY)
  costs[0] = 0
  /** The last step to each place: a copy, or nothing for a literal. */
  const steps: (Match | undefined)[] = new Array(count + 1).fill(undefined)
  const recent = new Int32Array(RECENT * (count + 1)).fill(1)

  const reach = (at: number, match: Match, length: number, distanceBits: number): void => {
    const cost = costs[at] + COPY_BITS + distanceBits + numberBits(length)
    if (cost >= costs[at + length]) return
    costs[at + length] = cost
    steps[at + length] = { ...match, length }
    let slot = RECENT * (at + length)
    recent[slot++] = match.distance
    for (let i = 0, kept = 1; kept < RECENT && i < RECENT; i++) {
      const distance = recent[RECENT * at + i]
      if (distance === match.distance && i < RECENT - 1) continue
      recent[slot++] = distance
      kept++
    }
  }
  const offer = (at: number, match: Match, distanceBits: number): void => {
    reach(at, match, match.length, distanceBits)
    for (let length = Math.min(match.length - 1, LONG); length >= 1; length--) reach(at, match, length, distanceBits)
  }

  let settled = 0
  for (let at = 0; at < count; at++) {
    const literal = costs[at] + literalBits + (at > 0 && steps[at] === undefined ? 0 : LITERAL_RUN_BITS)
    if (literal < costs[at + 1]) {
      costs[at + 1] = literal
      steps[at + 1] = undefined
      recent.copyWithin(RECENT * (at + 1), RECENT * at, RECENT * (at + 1))
    }
    if (at < settled) continue
    let longest = 0
    for (let i = 0; i < RECENT; i++) {
      const from = at - recent[RECENT * at + i]
      if (from < 0) continue
      for (const backwards of [false, true]) {
        const match = matchAt(elements, at, from, backwards)
        if (match.length > 0) offer(at, match, RECENT_DISTANCE_BITS)
        longest = Math.max(longest, match.length)
      }
    }
    let best = 0
    for (let place = previous[at], tries = 0; place >= 0 && tries < TRIES; place = previous[place], tries++) {
      for (const backwards of [false, true]) {
        const from = backwards ? place + gram - 1 : place
        if (from >= at) continue
        const match = matchAt(elements, at, from, backwards)
        if (match.length <= best) continue
        best = match.length
        offer(at, match, numberBits(match.distance))
      }
    }
    longest = Math.max(longest, best)
    // Within a long copy nothing shorter is looked for.
    if (longest >= LONG) settled = at + longest
  }
  return tokensOf(steps)
}

function tokensOf(steps: readonly (Match | undefined)[]): Token[] {
  const tokens: Token[] = []
  for (let at = steps.length - 1; at > 0; ) {
    const step = steps[at]
    if (step) {
      tokens.push(step)
      at -= step.length
      continue
    }
    const last = tokens.at(-1)
    if (last && 'literals' in last) tokens[tokens.length - 1] = { literals: last.literals + 1 }
    else tokens.push({ literals: 1 })
    at--
  }
  return tokens.reverse()
}
