/** Attributes of a node, with the defaults of the standard where they are absent. */

import type { AttributeProto, NodeProto } from '../../../sdk/onnx/index.ts'

export function attributeOf(node: NodeProto, name: string): AttributeProto | undefined {
  return node.attribute.find((attribute) => attribute.name === name)
}

export function intOf(node: NodeProto, name: string, absent: number): number {
  const attribute = attributeOf(node, name)
  return attribute ? Number(attribute.i) : absent
}

export function intsOf(node: NodeProto, name: string): number[] | undefined {
  return attributeOf(node, name)?.ints.map(Number)
}

export function textOf(node: NodeProto, name: string, absent: string): string {
  const attribute = attributeOf(node, name)
  return attribute ? new TextDecoder().decode(attribute.s) : absent
}
