/** Normalisation, as at inference. */

import { float } from '../build.ts'
import type { Rules, Site } from './site.ts'

/**
 * The gradient of x̂ = (x − mean) / √(var + ε) over the last axis of rows: (ĝ − mean(ĝ) − x̂ · mean(ĝ x̂)) / √(var + ε)
 * (Ba, Kiros, Hinton, "Layer Normalization", 2016).
 */
function normalised(site: Site, rows: string, gradient: string): string {
  const mean = (value: string): string => site.fragment.reduce('ReduceMean', value, [-1], true)
  const centred = site.op('Sub', rows, mean(rows))
  const variance = mean(site.op('Mul', centred, centred))
  const deviation = site.op('Sqrt', site.op('Add', variance, site.scalar(site.float('epsilon', 1e-5))))
  const unit = site.op('Div', centred, deviation)
  const along = site.op('Mul', unit, mean(site.op('Mul', gradient, unit)))
  return site.op('Div', site.op('Sub', site.op('Sub', gradient, mean(gradient)), along), deviation)
}

export const NORMALISATION: Rules = {
  /** Linear in x: the same node without its offsets. */
  BatchNormalization: (site) => {
    if (site.int('training_mode', 0) !== 0) throw site.unsupported('inference mode')
    const [, scale, bias, mean, variance] = site.node.input
    const zero = (value: string): string => site.op('Expand', site.fragment.scalar(0), site.op('Shape', value))
    const inputs = [site.g, scale, zero(bias), zero(mean), variance]
    return [site.nodeOf('BatchNormalization', inputs, { epsilon: float(site.float('epsilon', 1e-5)) })]
  },
  LayerNormalization: (site) => {
    const scale = site.node.input[1]
    const size = site.fragment.reshape(site.op('Size', scale), [1])
    const shape = site.nodeOf('Concat', [site.fragment.integers([-1]), size], { axis: 0 })
    const rows = (value: string): string => site.op('Reshape', value, shape)
    const gradient = rows(site.op('Mul', site.g, scale))
    return [site.reshapeLike(normalised(site, rows(site.x), gradient), site.x)]
  },
  InstanceNormalization: (site) => {
    const [x, scale] = site.node.input
    const rows = (value: string): string => site.fragment.reshape(value, [0, 0, -1])
    const gradient = site.op('Mul', rows(site.g), site.fragment.reshape(scale, [1, -1, 1]))
    return [site.reshapeLike(normalised(site, rows(x), gradient), x)]
  },
}
