/** Which layers are edited, and how. */

import { HardpackError } from '../../../sdk/core/index.ts'
import type { Model } from '../../../sdk/onnx/index.ts'
import { endingsOf } from '../ending.ts'
import { layersOf, type PrunableLayer } from '../layers.ts'
import { downstream } from '../parts.ts'
import type { Analysis } from '../types.ts'

/** Hidden layers, of which the last half, or those that are named. */
export function layersToEdit(analysis: Analysis, names: readonly string[] | undefined): PrunableLayer[] {
  const { model, contractions } = analysis
  const hidden = contractions.filter(({ output }) => {
    const behind = downstream(model, [output])
    return contractions.some((other) => other.output !== output && behind.has(other.output))
  })
  const editable = [...layersOf(analysis).values()].filter(
    ({ contraction, layout }) =>
      layout.groups === 1 && layout.rowsOfOutput === 1 && hidden.some(({ output }) => output === contraction.output),
  )
  if (names) {
    const missing = names.find((name) => !editable.some((layer) => layer.name === name))
    if (missing === undefined) return names.flatMap((name) => editable.filter((layer) => layer.name === name))
    throw new HardpackError(
      'INVALID_ARGUMENT',
      `Layers to edit expected some of ${editable.map(({ name }) => `"${name}"`).join(', ') || 'none'}, got "${missing}".`,
      { hint: 'The layer that gives the class scores, and depthwise ones, are not edited.' },
    )
  }
  const second = new Set(hidden.slice(Math.floor(hidden.length / 2)).map(({ output }) => output))
  const late = editable.filter(({ name }) => second.has(name))
  const endingOf = endingsOf(analysis)
  const residual = hasLayerNorm(model)
    ? late.filter(({ contraction }) => endingOf(contraction).residual !== undefined)
    : []
  const found = residual.length > 0 ? residual : late
  if (found.length === 0) throw nothingToEdit()
  return found
}

export const nothingToEdit = (): HardpackError =>
  new HardpackError(
    'UNSUPPORTED_MODEL',
    'Unlearning expected hidden layers with float32 weights in the second half of the model, got none.',
    { hint: 'Give a model that is not quantised, with two layers or more.' },
  )

const hasLayerNorm = (model: Model): boolean => model.graph.node.some(({ opType }) => opType === 'LayerNormalization')

/** The paper's choice. */
export const defaultEdit = (model: Model): 'zero' | 'negate' => (hasLayerNorm(model) ? 'negate' : 'zero')
