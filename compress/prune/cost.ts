/** What a cut model costs, without cutting it: sizes are counts of positions, and those are sums over the units that stay. */

import { type DType, dtypeOf } from '../../sdk/core/index.ts'
import type { TensorProto } from '../../sdk/onnx/index.ts'
import { likenessOf, stayingUnits } from './cut.ts'
import type { Structure } from './groups/structure.ts'
import type { Analysis, Cost, Kept } from './types.ts'

/** Types of shapes, axes and indices, which are no parameters unless they are dequantised. */
const INTEGERS = new Set<DType | undefined>(['int64', 'int32', 'bool'])

/**
 * How many positions of an axis stay: some always, others with their unit. Where each unit of a group has as many positions, the
 * number of its units that stay says it.
 */
interface Size {
  readonly always: number
  readonly groups: readonly { readonly group: number; readonly each: number }[]
  readonly units: readonly number[]
}

/** Which units stay, and how many of each group. */
interface Staying {
  readonly units: Uint8Array
  readonly groups: Uint32Array
}

/** A product of sizes. */
interface Term {
  readonly factor: number
  readonly sizes: readonly Size[]
  /** Of each copy, the groups whose branches it lies in: it goes when each copy is in one of which nothing stays. */
  readonly branches: readonly (readonly number[])[]
}

interface Terms {
  readonly macs: ReadonlyMap<string, Term>
  readonly parameters: readonly Term[]
}

/** Terms of an analysis, once made; they live as long as it does. */
const made = new WeakMap<Structure, Terms>()

/**
 * Multiply-accumulates of one sample, and parameters, of the model that `slice` would give. Fast: nothing is cut. Copies of a
 * shared constant count once where they are always cut alike, weights and biases of contractions each.
 *
 * @throws HardpackError `INVALID_ARGUMENT` as `slice` does.
 * @example
 * costOf(analysis, kept).macs / costOf(analysis).macs // what remains
 */
export function costOf(analysis: Analysis, kept: Kept = new Map()): Cost {
  const { macs, parameters } = termsOf(analysis)
  const stays = stayingOf(analysis, kept)
  const sum = (terms: Iterable<Term>): number => {
    let total = 0
    for (const term of terms) total += productOf(term, stays)
    return total
  }
  return { macs: sum(macs.values()), parameters: sum(parameters) }
}

/**
 * Multiply-accumulates of one sample, by the output of each contraction and each product of two activations.
 *
 * @throws HardpackError `INVALID_ARGUMENT` as `slice` does.
 * @example
 * costByContraction(analysis).get(analysis.contractions[0].output)
 */
export function costByContraction(analysis: Analysis, kept: Kept = new Map()): Map<string, number> {
  const stays = stayingOf(analysis, kept)
  return new Map(Array.from(termsOf(analysis).macs, ([output, term]) => [output, productOf(term, stays)]))
}

function stayingOf(analysis: Analysis, kept: Kept): Staying {
  const units = stayingUnits(analysis, kept)
  const groups = new Uint32Array(analysis.groups.length)
  let unit = 0
  for (const [group, { units: count }] of analysis.groups.entries()) {
    for (const end = unit + count; unit < end; unit++) groups[group] += units[unit]
  }
  return { units, groups }
}

function productOf({ factor, sizes, branches }: Term, stays: Staying): number {
  if (branches.every((copy) => copy.some((group) => stays.groups[group] === 0))) return 0
  let product = factor
  for (const { always, groups, units } of sizes) {
    let size = always
    for (const { group, each } of groups) size += each * stays.groups[group]
    for (const unit of units) size += stays.units[unit]
    product *= size
  }
  return product
}

function termsOf(analysis: Analysis): Terms {
  const known = made.get(analysis.structure)
  if (known) return known
  const { structure } = analysis
  const macs = new Map(
    structure.work.map(({ output, sizes }) => [output, termOf(analysis, [output], sizes, structure.batch)]),
  )
  const terms = { macs, parameters: parametersOf(analysis) }
  made.set(structure, terms)
  return terms
}

/** @param copies the value that it is the cost of, or all copies of the constant */
function termOf(
  analysis: Analysis,
  copies: readonly string[],
  sizes: readonly (number | Int32Array)[],
  batch: number,
): Term {
  let factor = 1 / batch
  const variable: Size[] = []
  for (const size of sizes) {
    if (typeof size === 'number') factor *= size
    else {
      const counted = sizeOf(analysis, size)
      if (counted.always === size.length) factor *= size.length
      else variable.push(counted)
    }
  }
  const branches = copies.map((copy) =>
    analysis.groups.flatMap(({ name }, i) => (analysis.branches.get(name)?.unread.has(copy) ? [i] : [])),
  )
  return { factor, sizes: variable, branches }
}

function sizeOf({ groups, structure }: Analysis, axis: Int32Array): Size {
  const positions = new Uint32Array(groups.reduce((sum, { units }) => sum + units, 0))
  let always = 0
  for (const atom of axis) {
    const unit = structure.unitOf[atom]
    if (unit < 0) always++
    else positions[unit]++
  }
  const even: { group: number; each: number }[] = []
  const units: number[] = []
  let start = 0
  for (const [group, { units: count }] of groups.entries()) {
    const own = positions.subarray(start, start + count)
    if (own[0] > 0 && own.every((each) => each === own[0])) even.push({ group, each: own[0] })
    else for (const [i, each] of own.entries()) units.push(...new Array<number>(each).fill(start + i))
    start += count
  }
  return { always, groups: even, units }
}

function parametersOf(analysis: Analysis): Term[] {
  const { model, contractions, structure } = analysis
  const own = new Set(contractions.flatMap(({ weight, bias }) => [weight, bias]))
  const quantised = model.graph.node.filter(({ opType }) => opType === 'DequantizeLinear')
  const dequantised = new Set(quantised.map(({ input }) => input[0]))
  const alike = new Map<string, TensorProto[]>()
  for (const tensor of model.graph.initializer) {
    if (INTEGERS.has(dtypeOf(tensor.dataType)) && !dequantised.has(tensor.name)) continue
    const likeness = own.has(tensor.name) ? tensor.name : likenessOf(analysis, tensor.name)
    alike.set(likeness, [...(alike.get(likeness) ?? []), tensor])
  }
  return Array.from(alike.values(), (tensors) => {
    const [{ name, dims }] = tensors
    const axes = structure.axes.get(name) ?? []
    const copies = tensors.map((tensor) => tensor.name)
    return termOf(
      analysis,
      copies,
      dims.map((size, i) => axes[i] ?? Number(size)),
      1,
    )
  })
}
