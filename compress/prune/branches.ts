/**
 * Residual branches that can go as a whole. Where all that a group is read for ends in residual adds, nothing of it need stay: what is
 * left of the branch is the bias of its last layer, and all that led there goes with it.
 */

import type { Tensor } from '../../sdk/core/index.ts'
import { indexGraph, type Model, makeTensor, type NodeProto, payloadOf } from '../../sdk/onnx/index.ts'
import { endingOf } from './ending.ts'
import { namesInBodies } from './groups/unshare.ts'
import type { Analysis, Branch, Contraction, Group, Kept } from './types.ts'
import { withInitializers } from './weights.ts'

/** The branches that go with a group of which nothing stays, by its name. */
export function branchesOf(analysis: Omit<Analysis, 'branches'>): Map<string, Branch> {
  const { model, groups } = analysis
  const branches = new Map<string, Branch>()
  const whole = readValues(model, new Set())
  const pinned = new Set([
    ...model.graph.output.map(({ name }) => name),
    ...model.graph.node.flatMap((node) => [...namesInBodies(node)]),
  ])
  for (const group of groups) {
    const ends = group.readers.filter(isWhole).map(({ contraction }) => contraction)
    const last = ends.filter((contraction) => {
      const { residual, next } = endingOf(analysis, contraction)
      return residual && ![residual.sum, ...(next?.output ?? [])].some((name) => pinned.has(name))
    })
    if (last.length === 0) continue
    const outputs = new Set(last.map(({ output }) => output))
    const read = readValues(model, outputs)
    for (const { bias } of last) if (bias !== undefined) read.add(bias)
    const unread = new Set([...whole].filter((name) => !read.has(name)))
    const goes = ({ output }: Contraction): boolean => unread.has(output) || outputs.has(output)
    if (!layersOfGroup(group).every(goes)) continue
    const inner = groups.filter(
      (other) => other !== group && layersOfGroup(other).every(({ output }) => unread.has(output)),
    )
    branches.set(group.name, { ends: last, unread, inner: inner.map(({ name }) => name) })
  }
  return branches
}

/** Groups of branches of which nothing stays, those that lie in them included. */
export const goneGroups = ({ branches }: Pick<Analysis, 'branches'>, kept: Kept): string[] =>
  [...branches].flatMap(([name, { inner }]) => (kept.get(name)?.length === 0 ? [name, ...inner] : []))

/** Values and constants that nobody needs any more, for they are in branches that are gone. */
export const unreadOf = ({ branches }: Pick<Analysis, 'branches'>, kept: Kept): Set<string> =>
  new Set([...branches].flatMap(([name, { unread }]) => (kept.get(name)?.length === 0 ? [...unread] : [])))

/** With the groups that lie in branches that are gone. */
export const withInner = (analysis: Pick<Analysis, 'branches'>, kept: Kept): Kept =>
  new Map([...kept, ...goneGroups(analysis, kept).map((name) => [name, []] as const)])

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
  const makers = new Map(graph.node.flatMap((node) => node.output.map((name) => [name, node])))
  const constants = new Map(graph.initializer.map((tensor) => [tensor.name, tensor]))
  const renamed = new Map<string, string>()
  for (const contraction of ends) {
    const { end, residual, next } = endingOf(analysis, contraction)
    if (!residual) continue
    const { sum, other } = residual
    const add = makers.get(sum) as NodeProto
    const tensor = constants.get(contraction.bias ?? '')
    const bias = tensor && payloadOf(tensor)
    if (bias?.data.some((value) => value !== 0)) {
      const behind = contraction.kind === 'linear' ? 0 : (analysis.observed.get(sum)?.shape.length ?? 2) - 2
      const name = `${sum}/bias`
      graph.initializer.push(
        makeTensor(name, { ...bias, shape: [bias.data.length, ...new Array<number>(behind).fill(1)] }),
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

/** What branches that are gone leave to others. */
export interface Legacy {
  /** Values and constants that nobody needs any more. */
  readonly unread: ReadonlySet<string>
  /** Layers that give nothing any more, by their outputs. */
  readonly silent: ReadonlySet<string>
  /** By the output of a layer that is next to gone branches: the residual sum behind the last of them. */
  readonly sums: ReadonlyMap<string, string>
}

/**
 * Who stands in for branches that are gone: the layer before them, which can aim at the sum behind them. Without one, a rectifier
 * behind the sum makes a bias cost more than it is worth; elsewhere the branch leaves its mean.
 */
export function legacyOf(analysis: Analysis, kept: Kept): Legacy {
  const { model, contractions, branches } = analysis
  const gone = goneGroups(analysis, kept).flatMap((name) => branches.get(name) ?? [])
  const unread = unreadOf(analysis, kept)
  const ends = new Map(
    gone.flatMap((branch) => branch.ends).map((contraction) => [endingOf(analysis, contraction).end, contraction]),
  )
  const silent = new Set<string>()
  const sums = new Map<string, string>()
  if (gone.length === 0) return { unread, silent, sums }
  const { consumers } = indexGraph(model.graph)
  const outputs = new Set(model.graph.output.map(({ name }) => name))
  const reader = (value: string): NodeProto | undefined => {
    const readers = (consumers.get(value) ?? []).filter(({ output }) => !output.every((name) => unread.has(name)))
    return readers.length === 1 && !outputs.has(value) ? readers[0] : undefined
  }
  /** The gone layer that adds to a value next, and the sum. */
  const goneBehind = (value: string): { contraction: Contraction; sum: string } | undefined => {
    const next = reader(value)
    const add = next?.opType === 'Relu' ? reader(next.output[0]) : next
    const contraction = add?.opType === 'Add' ? add.input.flatMap((name) => ends.get(name) ?? [])[0] : undefined
    return add && contraction && { contraction, sum: add.output[0] }
  }
  const own = new Set([...ends.values()].map(({ output }) => output))
  for (const contraction of contractions) {
    if (own.has(contraction.output) || unread.has(contraction.output)) continue
    const { end, residual } = endingOf(analysis, contraction)
    let last = residual?.sum ?? end
    for (let next = goneBehind(last); next; next = goneBehind(last)) {
      silent.add(next.contraction.output)
      sums.set(contraction.output, next.sum)
      last = next.sum
    }
  }
  for (const contraction of ends.values()) {
    if (endingOf(analysis, contraction).next?.opType === 'Relu') silent.add(contraction.output)
  }
  return { unread, silent, sums }
}

/** The biases of some layers, by their outputs, as zeros. */
export function zeroBiases({ model, contractions }: Analysis, layers: ReadonlySet<string>): Map<string, Tensor> {
  const names = new Set(contractions.flatMap(({ output, bias }) => (layers.has(output) && bias ? [bias] : [])))
  const biases = model.graph.initializer.filter(({ name }) => names.has(name))
  return new Map(biases.map((tensor) => [tensor.name, zerosLike(payloadOf(tensor))]))
}

const zerosLike = ({ dtype, shape, data }: Tensor): Tensor => ({
  dtype,
  shape,
  data: data.map(() => 0 as never) as Tensor['data'],
})

/** A cut as a finished net has it: branches that are gone leave nothing where they are not worth it. */
export const withoutSilent = (analysis: Analysis, kept: Kept): Analysis => ({
  ...analysis,
  model: withInitializers(analysis.model, zeroBiases(analysis, legacyOf(analysis, kept).silent)),
})
