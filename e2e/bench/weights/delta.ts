/**
 * A release beside the base that its users already have, both in bfloat16: ours against XOR with the base, bytes split into
 * planes, zstd -19. The pairs are a model that is really fine-tuned, and the real models with every float32 weight w replaced
 * by w · (1 + 0.005 · u), u uniform in [−1, 1], seeded, before both are rounded.
 */

import { encodeWeights, type WeightTensor, wasmDecoder } from '../../../compress/index.ts'
import { concat, elementCount, fromBfloat16, rng } from '../../../sdk/core/index.ts'
import { compressGenerally } from '../general-compressors.ts'
import { arenaOf, decodeInto, holds, laidOut } from './chunks.ts'
import { fineTunedPair } from './fine-tune.ts'
import { toBrain, type WeightSet } from './sets.ts'
import { packedBytes } from './tensors.ts'

const SEED = 5
const CHANGE = 0.005

export interface DeltaRow {
  readonly pair: string
  readonly kind: 'fine-tuned' | 'perturbed'
  readonly weights: number
  /** √(Σ (release − base)² / Σ base²) of the rounded values. */
  readonly relativeChange: number
  /** Ours, bits a weight. */
  readonly delta: number
  /** XOR, byte planes, zstd. Absent without the tool. */
  readonly xor?: number
}

/** The perturbed release of float32 tensors. */
function perturbed(tensors: readonly WeightTensor[]): WeightTensor[] {
  const random = rng(SEED)
  return tensors.map(({ dtype, shape, bytes }) => {
    const values = new Float32Array(bytes.slice().buffer)
    for (let i = 0; i < values.length; i++) values[i] *= 1 + CHANGE * (2 * random.uniform() - 1)
    return { dtype, shape, bytes: new Uint8Array(values.buffer) }
  })
}

/** The XOR of two runs of 16-bit elements: all upper bytes, then all lower ones. */
function xorPlanes(release: Uint8Array, base: Uint8Array): Uint8Array {
  const count = release.length / 2
  const planes = new Uint8Array(release.length)
  for (let i = 0; i < count; i++) {
    planes[i] = release[2 * i + 1] ^ base[2 * i + 1]
    planes[count + i] = release[2 * i] ^ base[2 * i]
  }
  return planes
}

function relativeChange(release: Uint8Array, base: Uint8Array): number {
  const values = (bytes: Uint8Array): Float64Array =>
    Float64Array.from(new Uint16Array(bytes.slice().buffer), (half) => fromBfloat16(half))
  const [after, before] = [values(release), values(base)]
  let change = 0
  let size = 0
  for (let i = 0; i < before.length; i++) {
    change += (after[i] - before[i]) ** 2
    size += before[i] ** 2
  }
  return Math.sqrt(change / size)
}

/** Encodes a release with its base, decodes it again, and measures the peer on the same bytes. */
async function deltaOf(
  pair: string,
  kind: DeltaRow['kind'],
  baseTensors: readonly WeightTensor[],
  releaseTensors: readonly WeightTensor[],
): Promise<DeltaRow> {
  const bases = baseTensors.map((tensor) => toBrain(tensor).bytes)
  const tensors = releaseTensors.map(toBrain)
  const withBase = tensors.map((tensor, i) => ({ ...tensor, base: bases[i] }))
  const [base, release] = [concat(bases), concat(tensors.map(({ bytes }) => bytes))]
  const [encoded, xor] = await Promise.all([
    encodeWeights(withBase),
    compressGenerally('zstd -19', xorPlanes(release, base)),
  ])
  const arena = arenaOf(encoded)
  await decodeInto(arena, encoded, await wasmDecoder(), laidOut(arena, bases))
  if (!holds(arena, tensors)) throw new Error(`${pair}: the release decodes to other bytes.`)
  const weights = tensors.reduce((sum, { shape }) => sum + elementCount(shape), 0)
  const bits = (bytes: number): number => (8 * bytes) / weights
  return {
    pair,
    kind,
    weights,
    relativeChange: relativeChange(release, base),
    delta: bits(packedBytes(encoded)),
    ...(xor ? { xor: bits(xor.length) } : {}),
  }
}

/** A real model and its perturbed release. */
export function perturbedDelta({ model, tensors }: WeightSet): Promise<DeltaRow> {
  return deltaOf(model, 'perturbed', tensors, perturbed(tensors))
}

/** The pair that is trained here. */
export function fineTunedDelta(): Promise<DeltaRow> {
  const { base, release } = fineTunedPair()
  return deltaOf('MNIST perceptron', 'fine-tuned', base, release)
}
