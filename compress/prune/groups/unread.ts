/** What is left over when others have been replaced. */

import type { Model } from '../../../sdk/onnx/index.ts'
import { namesInBodies } from './unshare.ts'

/** Removes nodes and constants that nothing reads, from a model that may be changed. */
export function removeUnread({ graph }: Model): void {
  const read = new Set(graph.output.map(({ name }) => name))
  const alive = graph.node.toReversed().filter((node) => {
    if (!node.output.some((name) => read.has(name))) return false
    for (const name of [...node.input, ...namesInBodies(node)]) read.add(name)
    return true
  })
  graph.node = alive.reverse()
  graph.initializer = graph.initializer.filter(({ name }) => read.has(name))
  const made = new Set(graph.node.flatMap(({ output }) => output))
  graph.valueInfo = graph.valueInfo.filter(({ name }) => made.has(name))
}
