/**
 * Dependency groups by atom propagation: every channel position of every tensor gets an atom, operators unite, permute and
 * join them, and what is united can only be removed together. An operator that is not understood freezes the channels that
 * reach it; the model is never broken by it.
 */

import type { Model } from '../../../sdk/onnx/index.ts'
import { branchesOf } from '../branches.ts'
import type { Analysis, Observed } from '../types.ts'
import { Propagation } from './propagation.ts'
import { Reading } from './reading.ts'
import { RULES } from './rules/index.ts'
import { computesShape, freezeReadLengths } from './shape-values.ts'
import { gatherShuffles } from './shuffles.ts'
import { gather } from './units.ts'
import { removeUnread } from './unread.ts'
import { namesInBodies, unshare } from './unshare.ts'

/** Domains whose operators mean what `RULES` says. */
const DOMAINS = new Set(['', 'ai.onnx', 'com.microsoft'])

/**
 * What of a model can be removed, and what must stay.
 *
 * @param observed shapes of all values, as `observeValues` gives them
 * @returns groups of channels; none where nothing can be removed
 * @throws HardpackError `INVALID_MODEL` and `EXTERNAL_DATA` for constants that cannot be read.
 * @example
 * const analysis = analyse(model, await observeValues(model, samples, execute))
 * analysis.groups.map(({ name, units }) => `${name}: ${units}`)
 */
export function analyse(model: Model, observed: ReadonlyMap<string, Observed>): Analysis {
  const shapeOf = (value: string): readonly number[] | undefined => observed.get(value)?.shape
  const copy = unshare(model, observed)
  gatherShuffles(copy.model, shapeOf)
  removeUnread(copy.model)
  const all = new Propagation(copy.model, observed)
  const { graph } = copy.model
  for (const node of graph.node) {
    if (computesShape(node, all)) continue
    const reading = new Reading(node, all)
    freezeReadLengths(reading, all)
    const bodies = namesInBodies(node)
    const values = [...node.input, node.output[0]].filter((name) => name !== '')
    const rule = DOMAINS.has(node.domain) ? RULES.get(node.opType) : undefined
    const reason = values.some((name) => !all.shapeOf(name))
      ? 'its shape is not known'
      : rule
        ? rule(reading)
        : 'the operator is not understood'
    if (reason === undefined) continue
    for (const name of [...node.input, ...bodies]) if (name !== '') all.freezeValue(name, reading.cause(reason))
  }
  for (const { name } of graph.output) {
    all.freezeValue(name, { op: 'Output', node: name, reason: 'an output of the graph' })
  }
  all.products.settle()
  for (const check of all.checks) check()
  const analysis = { model: copy.model, observed, ...gather(all, batchOf(model, observed), copy.sources) }
  return { ...analysis, branches: branchesOf(analysis) }
}

/** How many samples the shapes are of. */
function batchOf({ graph }: Model, observed: ReadonlyMap<string, Observed>): number {
  const given = new Set(graph.initializer.map(({ name }) => name))
  const input = graph.input.find(({ name }) => !given.has(name))
  return observed.get(input?.name ?? '')?.shape[0] || 1
}
