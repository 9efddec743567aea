/** Pooling. */

import { paddingOf, spread, windowOf } from './convolution.ts'
import { scatter } from './indexing.ts'
import type { Rules, Site } from './site.ts'

/** How many cells of the input (with `count_include_pad`, of the padded input) each window holds: `[1, 1, ...out]`. */
function cellsOf(site: Site): string {
  const { fragment } = site
  const window = windowOf(site)
  const { kernel, strides, dilations } = window
  const { before, after } = paddingOf(site, window)
  const concat = (...parts: string[]): string => site.nodeOf('Concat', parts, { axis: 0 })
  const axes = fragment.integers(kernel.map((_, i) => i + 2))
  const shape = concat(fragment.integers([1, 1]), site.dims(site.x, 2))
  const input = site.op('Expand', site.scalar(1), shape)
  const edge = site.scalar(site.int('count_include_pad', 0))
  const none = fragment.integers([0, 0])
  const padded = site.op('Pad', input, concat(none, before, none, after), edge)
  // Windows of ceil_mode hang over the padding, by less than a stride.
  const room = [0, 0, ...kernel.map(() => 0), 0, 0, ...strides.map((stride) => stride - 1)]
  const roomy = site.op('Pad', padded, fragment.integers(room))
  const ones = site.op('Expand', site.scalar(1), fragment.integers([1, 1, ...kernel]))
  const counts = site.nodeOf('Conv', [roomy, ones], { kernel_shape: kernel, strides, dilations })
  return site.op('Slice', counts, fragment.integers(kernel.map(() => 0)), site.dims(site.y, 2), axes)
}

export const POOLING: Rules = {
  /** Each channel is an image of its own, so that one kernel of ones serves any number of them. */
  AveragePool: (site) => {
    const window = windowOf(site)
    const shape = site.nodeOf('Concat', [site.fragment.integers([-1, 1]), site.dims(site.y, 2)], { axis: 0 })
    const share = site.op('Div', site.op('Reshape', site.g, shape), cellsOf(site))
    const ones = site.op('Expand', site.scalar(1), site.fragment.integers([1, 1, ...window.kernel]))
    return [site.reshapeLike(spread(site, window, share, ones, 1), site.x)]
  },
  /** To the cell that the runtime chose; overlapping windows add up. */
  MaxPool: (site) => {
    if (site.int('storage_order', 0) !== 0) throw site.unsupported('storage_order 0')
    return [scatter(site, site.output(1))]
  },
  GlobalAveragePool: (site) => {
    const share = site.op('Div', site.g, site.ratio(site.x, site.y))
    return [site.op('Expand', share, site.op('Shape', site.x))]
  },
  GlobalMaxPool: (site) => {
    const shape = site.op('Shape', site.x)
    const rows = (value: string): string => site.fragment.reshape(value, [0, 0, -1])
    const wins = site.fragment.cast(site.op('Equal', rows(site.x), rows(site.y)), site.typeOf(site.y))
    const count = site.fragment.reduce('ReduceSum', wins, [2], true)
    return [site.op('Reshape', site.op('Mul', wins, site.op('Div', rows(site.g), count)), shape)]
  },
}
