/** Attributes of a node as plain values, with the default of the standard where they are absent. */

import type { AttributeProto, Int64, NodeProto } from './proto.ts'

export const attributeOf = (node: NodeProto, name: string): AttributeProto | undefined =>
  node.attribute.find((attribute) => attribute.name === name)

export const intOf = (node: NodeProto, name: string, absent: number): number =>
  Number(attributeOf(node, name)?.i ?? absent)

export const floatOf = (node: NodeProto, name: string, absent: number): number => attributeOf(node, name)?.f ?? absent

/** An integer as a number; those of `Slice` may lie at the ends of int64, past which nothing changes. */
const clamped = (value: Int64): number =>
  Math.max(Number.MIN_SAFE_INTEGER, Math.min(Number.MAX_SAFE_INTEGER, Number(value)))

export const intsOf = (node: NodeProto, name: string): number[] | undefined =>
  attributeOf(node, name)?.ints.map(clamped)

export const floatsOf = (node: NodeProto, name: string): number[] | undefined => attributeOf(node, name)?.floats

export function textOf(node: NodeProto, name: string, absent: string): string {
  const attribute = attributeOf(node, name)
  return attribute ? new TextDecoder().decode(attribute.s) : absent
}
