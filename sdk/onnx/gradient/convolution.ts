/**
 * Convolutions (1 to 3 spatial axes). The adjoint of a strided sum over windows is a transposed convolution; it is made
 * without padding and with room at the end (`output_padding`), and what belongs to the input is cut out of it, so that any
 * size, padding and `auto_pad` is served.
 */

import { END, type Rules, type Site } from './site.ts'

export interface Window {
  readonly kernel: readonly number[]
  readonly strides: readonly number[]
  readonly dilations: readonly number[]
  /** Cells that a kernel spans along each axis. */
  readonly span: readonly number[]
  /** Padding before and after each axis; undefined where `auto_pad` leaves it to the input's size. */
  readonly pads: readonly number[] | undefined
}

/** The windows of a convolution or pooling node. */
export function windowOf(site: Site, kernel = site.ints('kernel_shape')): Window {
  if (!kernel) throw site.unsupported('a kernel_shape, or weights that are constants')
  const ones = kernel.map(() => 1)
  const strides = site.ints('strides') ?? ones
  const dilations = site.ints('dilations') ?? ones
  const span = kernel.map((size, i) => (size - 1) * dilations[i] + 1)
  const auto = site.text('auto_pad', 'NOTSET')
  const zeros = [...kernel, ...kernel].map(() => 0)
  const pads = auto === 'NOTSET' ? (site.ints('pads') ?? zeros) : auto === 'VALID' ? zeros : undefined
  return { kernel, strides, dilations, span, pads }
}

/** Padding before (or after) each spatial axis, as an int64 vector. */
export function paddingOf(site: Site, { strides, span, pads }: Window): { before: string; after: string } {
  const { fragment } = site
  if (pads) {
    const rank = strides.length
    return { before: fragment.integers(pads.slice(0, rank)), after: fragment.integers(pads.slice(rank)) }
  }
  const steps = site.op('Sub', site.dims(site.y, 2), fragment.integers([1]))
  const needed = site.op('Add', site.op('Mul', steps, fragment.integers(strides)), fragment.integers(span))
  const total = site.op('Max', site.op('Sub', needed, site.dims(site.x, 2)), fragment.integers([0]))
  const less = site.op('Div', total, fragment.integers([2]))
  const more = site.op('Sub', total, less)
  const upper = site.text('auto_pad', '') === 'SAME_UPPER'
  return upper ? { before: less, after: more } : { before: more, after: less }
}

/** Spreads a gradient over the windows that it came from, and cuts out what belongs to `x`. */
export function spread(site: Site, window: Window, gradient: string, weights: string, group: number): string {
  const { kernel, strides, dilations } = window
  const whole = site.nodeOf('ConvTranspose', [gradient, weights], {
    kernel_shape: kernel,
    strides,
    dilations,
    group,
    output_padding: strides.map((stride) => stride - 1),
  })
  const { before } = paddingOf(site, window)
  const end = site.op('Add', before, site.dims(site.x, 2))
  return site.op('Slice', whole, before, end, site.fragment.integers(kernel.map((_, i) => i + 2)))
}

/**
 * With strides of 1 the adjoint is a convolution with the kernel turned round and its channels exchanged, for which
 * runtimes have much faster code than for `ConvTranspose`.
 */
function turnedRound(site: Site, window: Window, shape: readonly number[], group: number): string | undefined {
  const { strides, span, pads, kernel, dilations } = window
  const margins = pads?.map((pad, i) => span[i % kernel.length] - 1 - pad)
  if (strides.some((stride) => stride !== 1) || !margins || margins.some((margin) => margin < 0)) return undefined
  const [filters, channels] = shape
  const axes = kernel.map((_, i) => i + 2)
  const all = (value: number): string => site.fragment.integers(kernel.map(() => value))
  const [, weights] = site.node.input
  const turned = site.op('Slice', weights, all(-1), all(-END), site.fragment.integers(axes), all(-1))
  const grouped = site.fragment.reshape(turned, [group, filters / group, channels, ...kernel])
  const exchanged = site.nodeOf('Transpose', [grouped], { perm: [0, 2, 1, ...axes.map((axis) => axis + 1)] })
  const kernels = site.fragment.reshape(exchanged, [group * channels, filters / group, ...kernel])
  return site.nodeOf('Conv', [site.g, kernels], { kernel_shape: kernel, dilations, group, pads: margins })
}

export const CONVOLUTION: Rules = {
  Conv: (site) => {
    const shape = site.constant(1)?.shape
    const window = windowOf(site, site.ints('kernel_shape') ?? shape?.slice(2))
    const group = site.int('group', 1)
    const fast = shape && turnedRound(site, window, shape, group)
    return [fast ?? spread(site, window, site.g, site.node.input[1], group)]
  },
  ConvTranspose: (site) => {
    const { kernel, strides, dilations, pads } = windowOf(
      site,
      site.ints('kernel_shape') ?? site.constant(1)?.shape.slice(2),
    )
    if (!pads || site.ints('output_shape')) throw site.unsupported('padding given as pads')
    const attributes = { kernel_shape: kernel, strides, dilations, pads, group: site.int('group', 1) }
    const whole = site.nodeOf('Conv', [site.g, site.node.input[1]], attributes)
    // A stride's worth of output_padding would make one window too many.
    const axes = site.fragment.integers(kernel.map((_, i) => i + 2))
    const start = site.fragment.integers(kernel.map(() => 0))
    return [site.op('Slice', whole, start, site.dims(site.x, 2), axes)]
  },
}
