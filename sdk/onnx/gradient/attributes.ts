/** Attributes of a node as plain values. */

import type { AttributeProto, NodeProto } from '../proto.ts'

const find = (node: NodeProto, name: string): AttributeProto | undefined =>
  node.attribute.find((attribute) => attribute.name === name)

export const intOf = (node: NodeProto, name: string, absent: number): number => Number(find(node, name)?.i ?? absent)

export const floatOf = (node: NodeProto, name: string, absent: number): number => find(node, name)?.f ?? absent

export const intsOf = (node: NodeProto, name: string): number[] | undefined => find(node, name)?.ints.map(Number)

export const floatsOf = (node: NodeProto, name: string): number[] | undefined => find(node, name)?.floats

export function textOf(node: NodeProto, name: string, absent: string): string {
  const attribute = find(node, name)
  return attribute ? new TextDecoder().decode(attribute.s) : absent
}
