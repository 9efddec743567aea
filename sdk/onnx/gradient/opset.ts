/**
 * Old graphs in the words of opset 17: what became an input (axes, bounds, pads) is made one, and what changed its meaning
 * (`Softmax`) or its name (`Upsample`) is said in the new way. So the rules read one language.
 */

import { HardpackError } from '../../core/index.ts'
import { floatOf, floatsOf, intOf, intsOf } from '../attributes.ts'
import { Fragment } from '../fragment.ts'
import { create, type GraphProto, type NodeProto } from '../proto.ts'
import type { TypeOf } from './types.ts'

export const MODERN = 17
const OLDEST = 7

interface Old {
  /** The opset with which the form of below went out of use. */
  readonly until: number
  readonly rewrite: (node: NodeProto, fragment: Fragment, typeOf: TypeOf) => void
}

/** The node with other inputs, and without some attributes. */
function changed(node: NodeProto, input: readonly string[], without: readonly string[]): NodeProto {
  const attribute = node.attribute.filter(({ name }) => !without.includes(name))
  return create('NodeProto', { ...node, input: [...input], attribute })
}

/** Lists of integers that are attributes become inputs, in the order of their names, behind the first. */
const asInputs =
  (...names: string[]): Old['rewrite'] =>
  (node, fragment) => {
    const lists = names.map((name) => intsOf(node, name))
    const last = lists.findLastIndex((list) => list !== undefined)
    const inputs = lists.slice(0, last + 1).map((list) => (list ? fragment.integers(list) : ''))
    fragment.nodes.push(changed(node, [...node.input, ...inputs], names))
  }

const number = (fragment: Fragment, value: number, like: string, typeOf: TypeOf): string =>
  fragment.cast(fragment.scalar(value), typeOf(like) ?? 'float32')

/** Softmax up to opset 12: over all axes from `axis` on, taken as one. */
const flattened: Old['rewrite'] = (node, fragment) => {
  const [x] = node.input
  const rows = fragment.node('Flatten', [x], { axis: intOf(node, 'axis', 1) })
  const y = fragment.node(node.opType, [rows], { axis: -1 })
  fragment.node('Reshape', [y, fragment.node('Shape', [x])], {}, node.output[0])
}

const resized: Old['rewrite'] = (node, fragment) => {
  const scales = node.input[1] ?? fragment.floats(floatsOf(node, 'scales') ?? [])
  const mode = new TextDecoder().decode(node.attribute.find(({ name }) => name === 'mode')?.s) || 'nearest'
  const attributes = { mode, coordinate_transformation_mode: 'asymmetric', nearest_mode: 'floor' }
  fragment.node('Resize', [node.input[0], '', scales], attributes, node.output[0])
}

const OLD: Readonly<Record<string, Old>> = {
  BatchNormalization: {
    until: 14,
    rewrite: (node, fragment) => {
      fragment.nodes.push(changed({ ...node, output: node.output.slice(0, 1) }, node.input, ['spatial']))
    },
  },
  Clip: {
    until: 11,
    rewrite: (node, fragment, typeOf) => {
      const [x] = node.input
      const bounds = ['min', 'max'].map((name) =>
        node.attribute.some((attribute) => attribute.name === name)
          ? number(fragment, floatOf(node, name, 0), x, typeOf)
          : '',
      )
      fragment.nodes.push(changed(node, [x, ...bounds], ['min', 'max']))
    },
  },
  Dropout: {
    until: 12,
    rewrite: ({ input, output }, fragment) => void fragment.node('Identity', input, {}, output[0]),
  },
  Pad: {
    until: 11,
    rewrite: (node, fragment, typeOf) => {
      const value = number(fragment, floatOf(node, 'value', 0), node.input[0], typeOf)
      const pads = fragment.integers(intsOf(node, 'pads') ?? [])
      fragment.nodes.push(changed(node, [node.input[0], pads, value], ['pads', 'value']))
    },
  },
  LogSoftmax: { until: 13, rewrite: flattened },
  ReduceSum: { until: 13, rewrite: asInputs('axes') },
  Resize: { until: 11, rewrite: resized },
  Scatter: {
    until: MODERN,
    rewrite: (node, fragment) => void fragment.nodes.push({ ...node, opType: 'ScatterElements' }),
  },
  Slice: { until: 10, rewrite: asInputs('starts', 'ends', 'axes') },
  Softmax: { until: 13, rewrite: flattened },
  Split: { until: 13, rewrite: asInputs('split') },
  Squeeze: { until: 13, rewrite: asInputs('axes') },
  TopK: {
    until: 10,
    rewrite: (node, fragment) => {
      const k = fragment.integers([intOf(node, 'k', 1)])
      fragment.nodes.push(changed(node, [node.input[0], k], ['k']))
    },
  },
  Unsqueeze: { until: 13, rewrite: asInputs('axes') },
  Upsample: { until: MODERN, rewrite: resized },
}

/**
 * The nodes of a graph as opset 17 has them, with the constants that they need beside those of the graph. Nodes of a newer
 * opset stay as they are. All nodes are copies.
 *
 * @throws HardpackError `UNSUPPORTED_MODEL` for an opset before 7, or control flow in one before 13.
 */
export function modernise(graph: GraphProto, opset: number, typeOf: TypeOf): Fragment {
  const hasBodies = graph.node.some(({ attribute }) => attribute.some(({ g }) => g))
  if (!(opset >= OLDEST) || (hasBodies && opset < 13)) {
    const wanted = hasBodies ? 'opset 13 or later for a model with control flow' : `opset ${OLDEST} or later`
    throw new HardpackError('UNSUPPORTED_MODEL', `The gradient expected ${wanted}, got ${opset}.`, {
      hint: 'Export the model again with a newer opset.',
    })
  }
  const fragment = new Fragment({ opset: Math.max(opset, MODERN), prefix: 'hardpack.forward' })
  for (const node of graph.node) {
    const copy = create('NodeProto', { ...node })
    const old = node.domain === '' || node.domain === 'ai.onnx' ? OLD[node.opType] : undefined
    if (old && opset < old.until) old.rewrite(copy, fragment, typeOf)
    else fragment.nodes.push(copy)
  }
  return fragment
}
