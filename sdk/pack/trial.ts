/**
 * Seeded trial inputs for a model that nobody gave inputs for: open dimensions are tried in a fixed order until the
 * reference runtime accepts them. Two cases are kept, of small and of large amplitude: a float network is tested best
 * near [-1, 1], one with quantised inputs only by values that span its range.
 */

import type { Session } from '../../targets/types.ts'
import type { ValueEntry } from '../container/manifest.ts'
import { type DType, HardpackError, messageOf, type Tensor, throwIfAborted } from '../core/index.ts'
import { seededTensor } from '../run/seeded.ts'

/** How an input of a golden case came to be. */
export type InputOrigin = 'given' | { readonly seed: number; readonly amplitude: number }

export interface TrialInput {
  readonly tensor: Tensor
  readonly origin: InputOrigin
}

/** A golden case with its whole reference outputs. */
export interface Trial {
  readonly inputs: Readonly<Record<string, TrialInput>>
  readonly outputs: Readonly<Record<string, Tensor>>
}

/** Sizes for open dimensions other than the batch, in the order in which they are tried. */
const SIZES = [32, 64, 128, 224, 256, 320, 512, 16, 1]

/** Amplitudes of floats and of wide integers, a case each; integers fall back to 0 and 1. */
const CASES = [
  { seed: 1, float: 1, integers: [2] },
  { seed: 2, float: 128, integers: [128, 2] },
]

/**
 * Seeded golden cases that the session accepts.
 *
 * @param shapes shapes for inputs by name, where the caller knows better
 * @throws HardpackError `UNSUPPORTED_MODEL` with the runtime's own reason when no size works, `INVALID_ARGUMENT` for a
 *   shape that does not fit its input.
 */
export async function seededTrials(
  session: Session,
  inputs: readonly ValueEntry[],
  shapes: Readonly<Record<string, readonly number[]>>,
  signal?: AbortSignal,
): Promise<Trial[]> {
  checkShapes(inputs, shapes)
  let reason: unknown
  for (const concrete of candidates(inputs, shapes)) {
    throwIfAborted(signal)
    try {
      const [first, second] = CASES
      const trials = [await trial(session, concrete, first, signal)]
      // A second case whose amplitude overflows the model tests nothing.
      const large = await trial(session, concrete, second, signal).catch(() => undefined)
      if (large && hasFiniteOutputs(large)) trials.push(large)
      return trials
    } catch (error) {
      throwIfAborted(signal)
      reason ??= error
    }
  }
  throw new HardpackError(
    'UNSUPPORTED_MODEL',
    `The model expected inputs that hardpack could not guess: ${messageOf(reason)}`,
    {
      hint: 'Give shapes with --shape name=1,3,224,224, or whole inputs with --golden.',
      cause: reason,
    },
  )
}

async function trial(
  session: Session,
  inputs: readonly { name: string; dtype: DType; shape: readonly number[] }[],
  { seed, float, integers }: (typeof CASES)[number],
  signal: AbortSignal | undefined,
): Promise<Trial> {
  let reason: unknown
  for (const integer of integers) {
    const made = inputs.map(({ name, dtype, shape }, index) => {
      const origin = { seed: seed + 1000 * index, amplitude: /int|bool/.test(dtype) ? integer : float }
      return [name, { tensor: seededTensor(dtype, shape, origin.seed, origin.amplitude), origin }] as const
    })
    const feeds = Object.fromEntries(made.map(([name, { tensor }]) => [name, tensor]))
    try {
      return { inputs: Object.fromEntries(made), outputs: await session.run(feeds, { signal }) }
    } catch (error) {
      reason ??= error
    }
  }
  throw reason
}

type ShapedInput = ValueEntry & { readonly shape: readonly number[] }

/**
 * Inputs with every dimension set, the likeliest first. The batch is 1: a symbol that comes first anywhere. Of each size
 * there are two candidates: all other open dimensions have it, or only those of the first input (what is left is then
 * a batch without a name, as in the state of a recurrent network).
 */
function* candidates(
  inputs: readonly ValueEntry[],
  shapes: Readonly<Record<string, readonly number[]>>,
): Generator<ShapedInput[]> {
  const isOpen = ({ name, shape }: ValueEntry) => !shapes[name] && shape.some((dim) => typeof dim === 'string')
  const batches = new Set(inputs.map(({ shape }) => shape[0]))
  for (const size of inputs.some(isOpen) ? SIZES : [1]) {
    for (const others of inputs.slice(1).some(isOpen) && size !== 1 ? [size, 1] : [size]) {
      yield inputs.map((input, index) => {
        const fill = index === 0 ? size : others
        const shape = input.shape.map((dim) => (typeof dim === 'number' ? dim : batches.has(dim) ? 1 : fill))
        return { ...input, shape: shapes[input.name] ?? shape }
      })
    }
  }
}

function checkShapes(inputs: readonly ValueEntry[], shapes: Readonly<Record<string, readonly number[]>>): void {
  for (const [name, shape] of Object.entries(shapes)) {
    const input = inputs.find((entry) => entry.name === name)
    const fits =
      input?.shape.length === shape.length && input.shape.every((dim, i) => typeof dim === 'string' || dim === shape[i])
    if (!fits) {
      const expected = input ? `[${input.shape.join(',')}]` : `one of ${inputs.map((entry) => entry.name).join(', ')}`
      throw new HardpackError('INVALID_ARGUMENT', `Shape "${name}" expected ${expected}, got [${shape.join(',')}].`)
    }
  }
}

function hasFiniteOutputs({ outputs }: Trial): boolean {
  return Object.values(outputs).every(({ dtype, data }) => {
    if (dtype === 'float16') return (data as Uint16Array).every((bits) => (bits & 0x7c00) !== 0x7c00)
    if (dtype !== 'float32' && dtype !== 'float64') return true
    return (data as Float32Array).every((value) => Number.isFinite(value))
  })
}
