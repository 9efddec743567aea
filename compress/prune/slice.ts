/** The narrower model: what is removed is cut out of every weight, and shapes, splits and group counts follow. */

import type { Model } from '../../sdk/onnx/index.ts'
import { removeBranches } from './branches.ts'
import { likenessOf, ModelCut, stayingUnits } from './cut.ts'
import { removeUnread } from './groups/unread.ts'
import type { Analysis, Kept } from './types.ts'

/**
 * A model without the units that are not kept. Weights and biases of contractions keep the names that `analysis.contractions` says;
 * copies of another constant that are always cut alike are one again.
 *
 * @throws HardpackError `INVALID_ARGUMENT` for groups or units that the analysis does not have, or when nothing would
 *   stay of a group that is no residual branch.
 * @example
 * slice(analysis, new Map([[analysis.groups[0].name, [0, 1, 2, 3]]])) // the first layer has four channels
 */
export function slice(analysis: Analysis, kept: Kept): Model {
  const cut = new ModelCut(analysis, stayingUnits(analysis, kept))
  const { graph } = cut.model
  const { axes, edits } = analysis.structure
  graph.initializer = graph.initializer.map((tensor) => cut.cutTensor(tensor))
  for (const edit of edits) edit(cut)
  removeBranches(analysis, kept, cut.model)
  graph.valueInfo = graph.valueInfo.filter(({ name }) => !cut.changed(...(axes.get(name) ?? [])))
  share(analysis, cut.model)
  removeUnread(cut.model)
  return cut.model
}

/** Makes one of copies that are always cut alike. */
function share(analysis: Analysis, { graph }: Model): void {
  const own = new Set(analysis.contractions.flatMap(({ weight, bias }) => [weight, bias]))
  const first = new Map<string, string>()
  const renamed = new Map<string, string>()
  for (const { name } of graph.initializer) {
    if (!analysis.structure.sources.has(name) || own.has(name)) continue
    const key = likenessOf(analysis, name)
    const other = first.get(key)
    if (other === undefined) first.set(key, name)
    else renamed.set(name, other)
  }
  for (const node of graph.node) node.input = node.input.map((name) => renamed.get(name) ?? name)
}
