/** The pooled features of a model for samples: what its detectors are fitted on. */

import type { Features } from '../../../detectors/features.ts'
import { chooseTaps, type Tap, tapCandidates, tapHead } from '../../../detectors/taps.ts'
import type { Target } from '../../../targets/types.ts'
import type { CallOptions } from '../../core/index.ts'
import { Fragment, type GraphParts, indexGraph, type Model, opsetOf, readModel } from '../../onnx/index.ts'
import type { GraphFile } from '../graphs.ts'
import { findLogits, logitsRows } from './logits.ts'
import { collect, type Observed, observe } from './observe.ts'
import type { Samples } from './samples.ts'

export interface TapOptions {
  /** The output with one number a class; default: the first that looks like it. */
  readonly logits?: string
  /** Values whose features detectors look at; default: one a stage, and the last. */
  readonly taps?: readonly string[]
}

/** Where features and logits come from: nodes for the end of the model. */
export interface Tapped {
  readonly fragment: Fragment
  /** What the fragment holds before any detector is added. */
  readonly tapping: Pick<GraphParts, 'initializers' | 'nodes'>
  readonly taps: readonly Tap[]
  /** Float32, samples × classes. */
  readonly logits: string
  /** Their softmax, where the model computes it anyway. */
  readonly softmax: string | undefined
  /** Float32, samples × features: the pooled values of all taps. */
  readonly features: string
}

/** Chooses taps, and appends what pools them to a fragment. */
export async function tapModel(
  main: GraphFile,
  model: Model,
  { logits: name, taps: names }: TapOptions,
  samples: Samples,
  target: Target,
  call: CallOptions,
): Promise<Tapped> {
  const { value, softmax } = findLogits(model, main, name)
  const candidates = names ? [...names] : tapCandidates(model.graph)
  const { producers } = indexGraph(model.graph)
  // A runtime refuses a name that is none in words of its own; `chooseTaps` says which there are.
  const values = new Set([...candidates.filter((name) => producers.has(name)), value])
  const observed = await observe(main, [...values], samples, target, call)
  const taps = chooseTaps(model.graph, observed, { logits: value, names })
  const fragment = new Fragment({ opset: opsetOf(model), prefix: 'hardpack' })
  const logits = logitsRows(fragment, value, observed.get(value) as Observed)
  const features = tapHead(fragment, taps, observed)
  return {
    fragment,
    tapping: { nodes: [...fragment.nodes], initializers: [...fragment.initializers] },
    taps,
    logits,
    softmax: logits === value ? softmax : undefined,
    features,
  }
}

/**
 * The features of samples.
 *
 * @returns a row for each sample: the pooled values of the taps, one after another
 * @throws HardpackError as `observe` and `chooseTaps` do.
 */
export async function tapFeatures(
  main: GraphFile,
  samples: Samples,
  target: Target,
  options: TapOptions & CallOptions,
): Promise<Features> {
  const { fragment, features } = await tapModel(main, readModel(main.file), options, samples, target, options)
  const rows = await collect(main, fragment, [features], samples, target, options)
  return { rows: samples.count, ...rows[features] }
}
