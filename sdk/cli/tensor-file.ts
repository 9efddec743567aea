/** Tensors from files: `.npy` (NumPy format 1–3, little endian, C order), `.json` (nested arrays) and raw bytes. */

import { extname } from 'node:path'
import type { ValueEntry } from '../container/manifest.ts'
import { arrayOf, byteLength, HardpackError, type Tensor, tensorOf, toBfloat16, toFloat16 } from '../core/index.ts'
import { readWhole } from '../pack/file.ts'
import { parseNpy } from '../pack/samples/npy.ts'
import { fitShape } from '../run/shape.ts'

/**
 * Reads the file of one input.
 *
 * @param input what the model takes; a raw file and a flat JSON list get its type and shape
 * @throws HardpackError `IO`, or `INVALID_INPUT` naming the file and what was expected.
 */
export async function readTensor(path: string, input: ValueEntry): Promise<Tensor> {
  const bytes = await readWhole(path)
  const kind = extname(path).toLowerCase()
  if (kind === '.npy') return parseNpy(bytes, path)
  if (kind === '.json') return parseJson(bytes, path, input)
  return rawTensor(bytes, path, input)
}

/**
 * The tensors of `--input name=file` and `--golden name=file`, by name.
 *
 * @throws HardpackError as `readTensor` does; `INVALID_INPUT` for a name that is no input of the model.
 */
export async function readTensors(
  files: readonly (readonly [string, string])[],
  inputs: readonly ValueEntry[],
): Promise<Record<string, Tensor>> {
  const tensors: [string, Tensor][] = []
  for (const [name, path] of files) {
    const input = inputs.find((entry) => entry.name === name)
    if (!input) {
      const known = inputs.map((entry) => entry.name).join(', ') || 'no input'
      throw new HardpackError('INVALID_INPUT', `The model expected ${known}, got an input "${name}".`, {
        hint: 'Check its name with `hardpack inspect`.',
      })
    }
    tensors.push([name, await readTensor(path, input)])
  }
  return Object.fromEntries(tensors)
}

function parseJson(bytes: Uint8Array, path: string, input: ValueEntry): Tensor {
  const refuse = (got: string) =>
    new HardpackError('INVALID_INPUT', `"${path}" expected nested lists of numbers, got ${got}.`, {
      hint: 'Write one list for each dimension, or one flat list.',
    })
  let value: unknown
  try {
    value = JSON.parse(new TextDecoder().decode(bytes))
  } catch {
    throw refuse('text that is not JSON')
  }
  const shape: number[] = []
  for (let level = value; Array.isArray(level); level = level[0]) shape.push(level.length)
  if (!isNested(value, shape)) throw refuse('lists of several lengths, or what is no number')
  const flat = [value].flat(Number.POSITIVE_INFINITY) as number[]
  const { dtype } = input
  const isReal = dtype.includes('float')
  const odd = isReal ? undefined : flat.find((x) => !Number.isSafeInteger(x))
  if (odd !== undefined) throw refuse(`${odd} for ${dtype}`)
  const encode =
    dtype === 'float16' ? toFloat16 : dtype === 'bfloat16' ? toBfloat16 : dtype.includes('int64') ? BigInt : Number
  const ArrayType = arrayOf(dtype) as unknown as { from(values: unknown[]): Tensor['data'] }
  const data = ArrayType.from(flat.map((x) => encode(x)))
  const wrapped = isReal ? -1 : flat.findIndex((x, i) => Number(data[i]) !== x)
  if (wrapped >= 0) throw refuse(`${flat[wrapped]} for ${dtype}`)
  const isFlat = shape.length === 1 && input.shape.length !== 1
  return { dtype, shape: isFlat ? fitShape(input, flat.length) : shape, data }
}

/** Whether a value is lists of this shape, all the way down to numbers. */
function isNested(value: unknown, [size, ...inner]: readonly number[]): boolean {
  if (size === undefined) return typeof value === 'number'
  return Array.isArray(value) && value.length === size && value.every((item) => isNested(item, inner))
}

function rawTensor(bytes: Uint8Array, path: string, input: ValueEntry): Tensor {
  const width = byteLength(input.dtype, 1)
  if (bytes.length % width !== 0) {
    throw new HardpackError(
      'INVALID_INPUT',
      `"${path}" expected raw elements of ${input.dtype}, ${width} bytes each, got ${bytes.length} bytes.`,
      { hint: 'Give raw bytes, or a file whose name ends with .npy or .json.' },
    )
  }
  return tensorOf(input.dtype, fitShape(input, bytes.length / width), bytes)
}
