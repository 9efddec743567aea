/** What a cut model costs, without cutting it: sizes are counts of positions, and those are sums over the units that stay. */

import { type DType, dtypeOf } from '../../sdk/core/index.ts'
import { keptUnits, likenessOf } from './cut.ts'
import type { Structure } from './groups/structure.ts'
import type { Analysis, Cost, Kept } from './types.ts'

/** Types of shapes, axes and indices, which are no parameters unless they are dequantised. */
const INTEGERS = new Set<DType | undefined>(['int64', 'int32', 'bool'])

/** How many positions of an axis stay: some always, others with their unit. */
interface Size {
  readonly always: number
  readonly units: Int32Array
}

/** A product of sizes. */
interface Term {
  readonly factor: number
  readonly sizes: readonly Size[]
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
  const stays = keptUnits(analysis, kept)
  const { macs, parameters } = termsOf(analysis)
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
  const stays = keptUnits(analysis, kept)
  return new Map(Array.from(termsOf(analysis).macs, ([output, term]) => [output, productOf(term, stays)]))
}

function productOf({ factor, sizes }: Term, stays: Uint8Array): number {
  let product = factor
  for (const { always, units } of sizes) {
    let size = always
    for (const unit of units) size += stays[unit]
    product *= size
  }
  return product
}

function termsOf(analysis: Analysis): Terms {
  const known = made.get(analysis.structure)
  if (known) return known
  const { structure } = analysis
  const macs = new Map(structure.work.map(({ output, sizes }) => [output, termOf(structure, sizes, structure.batch)]))
  const terms = { macs, parameters: parametersOf(analysis) }
  made.set(structure, terms)
  return terms
}

function termOf({ unitOf }: Structure, sizes: readonly (number | Int32Array)[], batch: number): Term {
  let factor = 1 / batch
  const variable: Size[] = []
  for (const size of sizes) {
    if (typeof size === 'number') factor *= size
    else {
      const units = Int32Array.from(size, (atom) => unitOf[atom]).filter((unit) => unit >= 0)
      if (units.length === 0) factor *= size.length
      else variable.push({ always: size.length - units.length, units })
    }
  }
  return { factor, sizes: variable }
}

function parametersOf(analysis: Analysis): Term[] {
  const { model, contractions, structure } = analysis
  const own = new Set(contractions.flatMap(({ weight, bias }) => [weight, bias]))
  const quantised = model.graph.node.filter(({ opType }) => opType === 'DequantizeLinear')
  const dequantised = new Set(quantised.map(({ input }) => input[0]))
  const counted = new Set<string>()
  return model.graph.initializer.flatMap((tensor) => {
    if (INTEGERS.has(dtypeOf(tensor.dataType)) && !dequantised.has(tensor.name)) return []
    const likeness = own.has(tensor.name) ? tensor.name : likenessOf(analysis, tensor.name)
    if (counted.has(likeness)) return []
    counted.add(likeness)
    const axes = structure.axes.get(tensor.name) ?? []
    return [
      termOf(
        structure,
        tensor.dims.map((size, i) => axes[i] ?? Number(size)),
        1,
      ),
    ]
  })
}
