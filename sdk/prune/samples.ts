/** Samples in memory: pruning reads each many times, and pictures are slow to decode. */

import { type CallOptions, elementCount, HardpackError, shuffled, type Tensor, throwIfAborted } from '../core/index.ts'
import type { TensorValue } from '../onnx/index.ts'
import type { SampleSet } from '../pack/samples/index.ts'
import { rowsOf } from '../run/rows.ts'

/** Samples that are read at once. */
const BATCH = 32
/** Memory that samples may take: of large pictures there are fewer. */
const MOST_BYTES = 2 ** 29

export interface HeldSamples {
  /** Where they come from. */
  readonly name: string
  readonly count: number
  batch(indices: readonly number[]): Promise<Tensor>
}

export interface HoldOptions extends CallOptions {
  readonly limit: number
  readonly seed: number
  /** So many of the order of that seed are left out: those of an earlier call. */
  readonly skip?: number
}

/**
 * Reads samples, at most `limit` of them and half a gigabyte, drawn at random.
 *
 * @throws HardpackError `INVALID_INPUT` for samples of another type or shape than the input, and as `set.batch` does.
 */
export async function heldSamples(
  set: Pick<SampleSet, 'batch' | 'count'> & { readonly name?: string },
  input: TensorValue,
  { limit, seed, skip = 0, signal, onProgress }: HoldOptions,
): Promise<HeldSamples> {
  const indices = shuffled(set.count, seed)
    .slice(skip, skip + Math.min(limit, await roomFor(set)))
    .sort((a, b) => a - b)
  const stage = 'read samples'
  const { name = 'this set' } = set
  let all: Tensor | undefined
  for (let start = 0; start < indices.length; start += BATCH) {
    throwIfAborted(signal)
    onProgress?.({ stage, done: start, total: indices.length })
    const part = await set.batch(indices.slice(start, start + BATCH))
    all ??= room(part, indices.length)
    checkFits(part, all, input, name)
    all.data.set(part.data as never, (part.data.length / part.shape[0]) * start)
  }
  onProgress?.({ stage, done: indices.length, total: indices.length })
  if (!all) {
    throw new HardpackError('INVALID_INPUT', `Pruning expected samples, got none in ${name}.`, {
      hint: 'Give some hundred inputs like those that the model will see.',
    })
  }
  const held = all
  return { name, count: indices.length, batch: async (rows) => rowsOf(held, rows) }
}

/** How many samples there is memory for. */
async function roomFor(set: Pick<SampleSet, 'batch' | 'count'>): Promise<number> {
  if (set.count === 0) return 0
  const { data } = await set.batch([0])
  return Math.max(1, Math.floor(MOST_BYTES / data.byteLength))
}

/** Memory for as many rows like those of a batch. */
function room({ dtype, shape: [, ...dims], data }: Tensor, count: number): Tensor {
  const Type = data.constructor as new (length: number) => Tensor['data']
  return { dtype, shape: [count, ...dims], data: new Type(count * elementCount(dims)) }
}

function checkFits({ dtype, shape }: Tensor, all: Tensor, input: TensorValue, name: string): void {
  const [, ...dims] = shape
  const [, ...wanted] = input.shape
  const fits = dims.length === wanted.length && wanted.every((dim, i) => typeof dim === 'string' || dim === dims[i])
  const isSame = dims.every((dim, i) => dim === all.shape[i + 1])
  if (dtype === input.dtype && fits && isSame) return
  throw new HardpackError(
    'INVALID_INPUT',
    `Samples of ${name} expected ${input.dtype}[${input.shape.join(',')}] as input "${input.name}" takes, got ${dtype}[${shape.join(',')}].`,
    { hint: 'Give samples in the shape of the input, all of one size.' },
  )
}
