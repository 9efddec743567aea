/**
 * Sizes that a model computes anew in each run although its inputs settle them. Exporters leave `Shape` and what picks from it before every
 * `Reshape`; in a small transformer that is a third of the nodes, and narrower layers make none of them faster. A size that does not
 * follow the batch becomes a constant; a `Reshape` where only one does takes −1 in its place. What is computed from constants, the
 * runtime folds itself.
 */

import type { CallOptions, Tensor } from '../../sdk/core/index.ts'
import { type Model, makeNode, makeTensor, type NodeProto } from '../../sdk/onnx/index.ts'
import { removeUnread } from './groups/unread.ts'
import { copyModel, namesInBodies } from './groups/unshare.ts'
import { runsOf, tellingBatches } from './observe.ts'
import type { Execute, Samples } from './types.ts'

/** Operators that give some of the sizes that they read, or what follows from two of them. */
const OF_SIZES = new Set([
  ...['Cast', 'Concat', 'Gather', 'Identity', 'Reshape', 'Slice', 'Squeeze', 'Unsqueeze', 'Where'],
  ...['Add', 'Sub', 'Mul', 'Div'],
])

/**
 * The same model with its settled sizes as constants; itself where the sizes of inputs are open.
 *
 * @example
 * await foldShapes(model, samples, execute) // Shape, Gather, Unsqueeze, Concat, Reshape: only Reshape is left
 */
export async function foldShapes(
  model: Model,
  samples: Samples,
  execute: Execute,
  { signal }: CallOptions = {},
): Promise<Model> {
  const sizes = computedSizes(model)
  const batches = sizes.size > 0 ? await tellingBatches(model, samples) : []
  if (batches.length === 0) return model
  const reshapes = model.graph.node.filter(({ opType, input: [, target] }) => opType === 'Reshape' && sizes.has(target))
  const shapes = reshapes.map(({ output: [output] }) => makeNode('Shape', [output], [shapeOf(output)]))
  const longer = copyModel(model)
  longer.graph.node.push(...shapes)
  const wanted = [...sizes, ...shapes.flatMap(({ output }) => output)]
  const runs = await runsOf(longer, wanted, batches, execute, { signal })
  const targets = new Map(
    reshapes.map(({ output: [output] }) => [output, followingBatch(runs.map((run) => run[shapeOf(output)]))]),
  )
  const folded = copyModel(model)
  const { graph } = folded
  const outputs = new Set(graph.output.map(({ name }) => name))
  const settled = new Map<string, Tensor>()
  for (const name of sizes) {
    const [first, ...others] = runs.map((run) => run[name])
    const isConstant = others.every((other) => String(other.data) === String(first.data))
    if (isConstant && !outputs.has(name)) settled.set(name, first)
  }
  for (const node of graph.node) {
    const target = targets.get(node.output[0])
    if (!target || settled.has(node.input[1])) continue
    node.input[1] = `${node.output[0]}/fold/target`
    graph.initializer.push(makeTensor(node.input[1], target))
  }
  graph.node = graph.node.filter(({ output }) => !output.some((name) => settled.has(name)))
  graph.initializer.push(...[...settled].map(([name, tensor]) => makeTensor(name, tensor)))
  removeUnread(folded)
  return folded
}

/** Lists of sizes that are computed from shapes and constants alone. */
function computedSizes({ graph }: Model): Set<string> {
  const constants = new Set(graph.initializer.map(({ name }) => name))
  const sizes = new Set<string>()
  const isSize = ({ opType, input }: NodeProto): boolean =>
    opType === 'Shape' ||
    (OF_SIZES.has(opType) &&
      input.some((name) => sizes.has(name)) &&
      input.every((name) => name === '' || sizes.has(name) || constants.has(name)))
  for (const node of graph.node) {
    if (node.opType === 'Constant') constants.add(node.output[0])
    else if (isSize(node) && namesInBodies(node).size === 0) sizes.add(node.output[0])
  }
  return sizes
}

const shapeOf = (value: string): string => `${value}/fold/shape`

/**
 * The shape of a `Reshape` as its target, with −1 for the one size that follows the batch. Not 0, by which it would be copied: where
 * onnxruntime knows the batch for the same, it fuses `SkipLayerNormalization`, and a small transformer was 6 to 13 % slower.
 */
function followingBatch([first, second = first]: readonly Tensor[]): Tensor | undefined {
  const [sizes, others] = [first, second].map(({ data }) => Array.from(data, Number))
  const following = sizes.filter((size, i) => size !== others[i])
  if (following.length !== 1 || sizes.includes(0)) return undefined
  const data = BigInt64Array.from(sizes, (size, i) => BigInt(size === others[i] ? size : -1))
  return { dtype: 'int64', shape: first.shape, data }
}
