/**
 * Residual branches that can go as a whole. Where all that a group is read for ends in residual adds, nothing of it need stay: what is
 * left of the branch is the bias of its last layer, and all that led there goes with it.
 */

import { type Model, makeTensor, type NodeProto, payloadOf } from '../../sdk/onnx/index.ts'
import { endingsOf, same } from './ending.ts'
import { namesInBodies } from './groups/unshare.ts'
import type { Analysis, Branch, Contraction, Group, Kept } from './types.ts'

/** The branches that go with a group of which nothing stays, by its name. */
export function branchesOf(analysis: Omit<Analysis, 'branches'>): Map<string, Branch> {
  const { model, groups } = analysis
  const branches = new Map<string, Branch>()
  const whole = readValues(model, new Set())
  const shapeOf = (value: string): readonly number[] | undefined => analysis.observed.get(value)?.shape
  const taken = new Set<string>()
  const pinned = new Set([
    ...model.graph.output.map(({ name }) => name),
    ...model.graph.node.flatMap((node) => [...namesInBodies(node)]),
  ])
  const endingOf = endingsOf(analysis)
  const nodes = new Map(model.graph.node.flatMap((node) => node.output.map((name) => [name, node])))
  /** The sum that a layer ends in, where nothing of it but its bias need stay. */
  const sumOf = (contraction: Contraction): string | undefined => {
    const { residual, next } = endingOf(contraction)
    const [, , third = ''] = nodes.get(contraction.output)?.input ?? []
    if (!residual || (third !== '' && third !== contraction.bias)) return undefined
    const { sum, other } = residual
    const isPinned = [sum, ...(next?.output ?? [])].some((name) => pinned.has(name))
    return !isPinned && same(shapeOf(other), shapeOf(sum)) ? sum : undefined
  }
  for (const group of groups) {
    const sumsOfEnds = new Map<Contraction, string>()
    for (const { contraction } of group.readers.filter(isWhole)) {
      const sum = sumOf(contraction)
      if (sum !== undefined) sumsOfEnds.set(contraction, sum)
    }
    const [ends, sums] = [[...sumsOfEnds.keys()], [...sumsOfEnds.values()]]
    // Of two branches that add up to a sum, one is what is left of it when the other goes.
    if (ends.length === 0 || sums.some((sum, i) => taken.has(sum) || sums.indexOf(sum) < i)) continue
    const outputs = new Set(ends.map(({ output }) => output))
    const read = readValues(model, outputs)
    for (const { bias } of ends) if (bias !== undefined) read.add(bias)
    const unread = new Set([...whole].filter((name) => !read.has(name)))
    const goes = ({ output }: Contraction): boolean => unread.has(output) || outputs.has(output)
    if (!layersOfGroup(group).every(goes)) continue
    const inner = groups.filter(
      (other) => other !== group && layersOfGroup(other).every(({ output }) => unread.has(output)),
    )
    for (const sum of sums) taken.add(sum)
    branches.set(group.name, { ends, unread, inner: inner.map(({ name }) => name) })
  }
  return branches
}

/** Groups of branches of which nothing stays, those that lie in them included. */
export const goneGroups = ({ branches }: Pick<Analysis, 'branches'>, kept: Kept): string[] =>
  [...branches].flatMap(([name, { inner }]) => (kept.get(name)?.length === 0 ? [name, ...inner] : []))

/** Those of them that lie in no other. */
export function outerBranches({ branches }: Pick<Analysis, 'branches'>, kept: Kept): string[] {
  const gone = [...branches].filter(([name]) => kept.get(name)?.length === 0)
  const inner = new Set(gone.flatMap(([, branch]) => branch.inner))
  return gone.map(([name]) => name).filter((name) => !inner.has(name))
}

/** Values and constants that nobody needs any more, for they are in branches that are gone. */
export const unreadOf = ({ branches }: Pick<Analysis, 'branches'>, kept: Kept): Set<string> =>
  new Set([...branches].flatMap(([name, { unread }]) => (kept.get(name)?.length === 0 ? [...unread] : [])))

/** With the groups that lie in branches that are gone. */
export function withInner(analysis: Pick<Analysis, 'branches'>, kept: Kept, gone = goneGroups(analysis, kept)): Kept {
  return gone.length === 0 ? kept : new Map([...kept, ...gone.map((name) => [name, []] as const)])
}

/** A layer that reads nothing but the group. */
const isWhole = ({ contraction, positions }: Group['readers'][number]): boolean =>
  positions.reduce((sum, own) => sum + own.length, 0) === contraction.inputs

const layersOfGroup = ({ writers, readers }: Group): Contraction[] =>
  [...writers, ...readers].map(({ contraction }) => contraction)

/**
 * The values that the outputs need.
 *
 * @param constant of these, as if they were constants
 */
function readValues({ graph }: Model, constant: ReadonlySet<string>): Set<string> {
  const read = new Set(graph.output.map(({ name }) => name))
  for (const node of graph.node.toReversed()) {
    if (!node.output.some((name) => read.has(name) && !constant.has(name))) continue
    for (const name of [...node.input, ...namesInBodies(node)]) read.add(name)
  }
  return read
}

/**
 * Takes branches of which nothing stays out of a model: a residual add of nothing goes, that of a bias stays. A rectifier of what is
 * rectified already goes, too.
 *
 * @param model a cut copy of the analysed one, that may be changed
 */
export function removeBranches(analysis: Analysis, kept: Kept, { graph }: Model): void {
  const ends = goneGroups(analysis, kept).flatMap((name) => analysis.branches.get(name)?.ends ?? [])
  if (ends.length === 0) return
  const endingOf = endingsOf(analysis)
  const makers = new Map(graph.node.flatMap((node) => node.output.map((name) => [name, node])))
  const constants = new Map(graph.initializer.map((tensor) => [tensor.name, tensor]))
  const renamed = new Map<string, string>()
  for (const contraction of ends) {
    const { end, addsBias, residual, next } = endingOf(contraction)
    if (!residual) continue
    const { sum, other } = residual
    const add = makers.get(sum) as NodeProto
    const tensor = constants.get(contraction.bias ?? '')
    const bias = tensor && payloadOf(tensor)
    if (bias?.data.some((value) => value !== 0)) {
      const isOfMap = contraction.kind !== 'linear' && !addsBias
      const behind = isOfMap ? (analysis.observed.get(sum)?.shape.length ?? 2) - 2 : 0
      const name = `${sum}/branch/bias`
      graph.initializer.push(
        makeTensor(name, { ...bias, shape: [...bias.shape, ...new Array<number>(behind).fill(1)] }),
      )
      add.input = add.input.map((input) => (input === end ? name : input))
      continue
    }
    renamed.set(sum, other)
    if (next?.opType === 'Relu' && makers.get(other)?.opType === 'Relu') renamed.set(next.output[0], other)
  }
  const resolved = (name: string): string => (renamed.has(name) ? resolved(renamed.get(name) as string) : name)
  for (const node of graph.node) node.input = node.input.map(resolved)
}
