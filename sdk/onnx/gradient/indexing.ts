/**
 * Operators that only move elements. Run on the numbers 0, 1, 2, … of the elements of their input, they tell where each
 * element of the output came from; its gradient goes back there. So one rule serves slices with any steps, gathers with
 * repeated indices, reflections, tiles and nearest neighbours.
 */

import type { DType } from '../../core/index.ts'
import type { Rule, Rules, Site } from './site.ts'

/** The numbers of the elements of `x`, in its shape. */
function numbersOf(site: Site, dtype: DType = 'int64'): string {
  const size = site.op('Size', site.x)
  const range = site.op('Range', site.integer(0), size, site.integer(1))
  const numbers = site.reshapeLike(range, site.x)
  return dtype === 'int64' ? numbers : site.fragment.cast(numbers, dtype)
}

/** Adds each element of the gradient to that element of `x` whose number is at the same place in `sources`. */
export function scatter(site: Site, sources: string, gradient = site.g): string {
  const flat = (value: string): string => site.fragment.reshape(value, [-1])
  const zeros = site.op('Expand', site.scalar(0), site.fragment.reshape(site.op('Size', site.x), [1]))
  const sum = site.nodeOf('ScatterElements', [zeros, flat(sources), flat(gradient)], { axis: 0, reduction: 'add' })
  return site.reshapeLike(sum, site.x)
}

/** The node once more, on another first input, and with the other inputs given. */
function again(site: Site, first: string, others = site.node.input.slice(1)): string {
  const output = site.op(site.node.opType, first, ...others)
  site.fragment.nodes[site.fragment.nodes.length - 1].attribute = [...site.node.attribute]
  return output
}

const movement: Rule = (site) => [scatter(site, again(site, numbersOf(site)))]

export const INDEXING: Rules = {
  Slice: movement,
  Gather: movement,
  GatherElements: movement,
  GatherND: movement,
  Tile: movement,
  TopK: (site) => {
    const axis = site.int('axis', -1)
    return [scatter(site, site.nodeOf('GatherElements', [numbersOf(site), site.output(1)], { axis }))]
  },
  Pad: (site) => {
    const [, pads, , axes = ''] = site.node.input
    if (site.text('mode', 'constant') !== 'constant') {
      return [scatter(site, again(site, numbersOf(site), axes ? [pads, '', axes] : [pads]))]
    }
    const given = site.constant(1)?.data
    if (given?.some((pad) => pad < 0)) throw site.unsupported('pads from 0 up')
    const before = site.op('Gather', site.fragment.reshape(pads, [2, -1]), site.integer(0))
    const shape = site.op('Shape', site.x)
    const end = site.op('Add', before, axes ? site.op('Gather', shape, axes) : shape)
    return [site.op('Slice', site.g, before, end, ...(axes ? [axes] : []))]
  },
  Resize: (site) => {
    if (site.text('mode', 'nearest') !== 'nearest') throw site.unsupported('mode nearest')
    // Runtimes resize int32, but not int64.
    const sources = again(site, numbersOf(site, 'int32'))
    return [scatter(site, site.fragment.cast(sources, 'int64'))]
  },
}
