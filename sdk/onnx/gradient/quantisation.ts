/**
 * Quantised activations. The derivative of rounding is zero almost everywhere, which would only hide the model from an
 * attack; where the integers do not saturate, the gradient passes straight through (Athalye, Carlini, Wagner, "Obfuscated
 * gradients give a false sense of security", ICML 2018, §4.1). One scale for a tensor.
 */

import type { Rules, Site } from './site.ts'

function scaleOf(site: Site): string {
  const scale = site.constant(1)
  if (scale?.data.length !== 1) throw site.unsupported('one scale for the whole tensor, as a constant')
  return site.node.input[1]
}

export const QUANTISATION: Rules = {
  QuantizeLinear: (site) => {
    const scale = scaleOf(site)
    const kept = site.op('DequantizeLinear', site.y, ...site.node.input.slice(1))
    const saturated = site.op('Greater', site.op('Abs', site.op('Sub', kept, site.x)), scale)
    return [site.op('Where', saturated, site.scalar(0, site.x), site.op('Div', site.g, scale))]
  },
  DequantizeLinear: (site) => [site.op('Mul', site.g, scaleOf(site))],
}
