/**
 * External data: tensors of an ONNX model whose bytes lie in files beside it (`TensorProto.data_location`, keys
 * `location`, `offset`, `length`). Reading makes one whole file of it; writing splits one. Paths are checked in
 * `external-path.ts`; sizes here, before anything is allocated.
 */

import { randomBytes } from 'node:crypto'
import { type FileHandle, open, realpath, rename, rm } from 'node:fs/promises'
import { basename, dirname } from 'node:path'
import { type CallOptions, HardpackError, messageOf, throwIfAborted } from '../core/index.ts'
import { externalError, openExternal, pathForWriting } from './external-path.ts'
import { tensorsOf } from './graph.ts'
import { MAX_MODEL_BYTES, type Model, readModel, writeModel } from './model.ts'
import { isExternal, labelOf, typeAndShapeOf } from './payload.ts'
import { create, type TensorProto } from './proto.ts'

const EXTERNAL = 1

/** So that a runtime can map a tensor's pages. */
const ALIGNMENT = 4096

interface Slice {
  readonly tensor: TensorProto
  readonly location: string
  readonly offset: number
  readonly length: number
}

const REPAIR = 'Export the model again.'

function sliceOf(tensor: TensorProto): Slice {
  const who = labelOf(tensor)
  const { dtype, shape, bytes } = typeAndShapeOf(tensor)
  const entryOf = (key: string): string | undefined => {
    const entries = tensor.externalData.filter((entry) => entry.key === key)
    if (entries.length > 1) throw externalError(who, `one "${key}" for its external data`, `${entries.length}`, REPAIR)
    return entries[0]?.value
  }
  const numberOf = (key: string): number | undefined => {
    const value = entryOf(key)
    if (value === undefined) return undefined
    const number = /^\d{1,16}$/.test(value) ? Number(value) : Number.NaN
    if (!Number.isSafeInteger(number)) {
      throw externalError(who, `a whole number as "${key}" of its external data`, JSON.stringify(value), REPAIR)
    }
    return number
  }
  const location = entryOf('location')
  if (location === undefined) throw externalError(who, 'a "location" for its external data', 'none', REPAIR)
  const length = numberOf('length') ?? bytes
  if (length !== bytes) {
    const type = `${dtype}[${shape.join(', ')}]`
    throw externalError(who, `${bytes} bytes of external data for ${type}`, `${length}`, REPAIR)
  }
  return { tensor, location, offset: numberOf('offset') ?? 0, length }
}

async function readExactly(handle: FileHandle, { tensor, location, offset, length }: Slice): Promise<Uint8Array> {
  const bytes = new Uint8Array(length)
  for (let done = 0; done < length; ) {
    const { bytesRead } = await handle.read(bytes, done, length - done, offset + done)
    if (bytesRead === 0) {
      throw externalError(labelOf(tensor), `${length} bytes`, `the end of ${JSON.stringify(location)}`, 'Try again.')
    }
    done += bytesRead
  }
  return bytes
}

function groupByLocation(slices: readonly Slice[]): Map<string, Slice[]> {
  const groups = new Map<string, Slice[]>()
  for (const slice of slices) {
    const group = groups.get(slice.location)
    if (group) group.push(slice)
    else groups.set(slice.location, [slice])
  }
  return groups
}

/** The directory that locations are relative to. */
async function directoryOf(modelPath: string): Promise<string> {
  try {
    return await realpath(dirname(modelPath))
  } catch (error) {
    throw new HardpackError('IO', `The model's directory ${JSON.stringify(dirname(modelPath))} cannot be read.`, {
      hint: 'Give the path of the model file.',
      cause: error,
    })
  }
}

/**
 * An equivalent model in one file: external tensors, at any depth, become `raw_data`. A model without any comes back as
 * the same object.
 *
 * @param model the ONNX file
 * @param modelPath where it lies: locations are relative to its directory
 * @throws HardpackError `EXTERNAL_DATA`, naming the tensor, when a data file is missing, too short, or lies anywhere but
 *   plainly beside the model; `LIMIT_EXCEEDED` when the result would be larger than `MAX_MODEL_BYTES`; `INVALID_MODEL`,
 *   `UNSUPPORTED_MODEL`, `IO`, `ABORTED`.
 * @example
 * const whole = await inlineExternalData(await readFile('model.onnx'), 'model.onnx')
 */
export async function inlineExternalData(
  model: Uint8Array,
  modelPath: string,
  { signal, onProgress }: CallOptions = {},
): Promise<Uint8Array> {
  const parsed = readModel(model)
  const slices = [...tensorsOf(parsed)].filter(isExternal).map(sliceOf)
  if (slices.length === 0) return model
  const total = slices.reduce((sum, { length }) => sum + length, 0)
  if (model.length + total > MAX_MODEL_BYTES) {
    throw new HardpackError(
      'LIMIT_EXCEEDED',
      `The model expected at most ${MAX_MODEL_BYTES} bytes with its external data, got ${model.length + total}.`,
      { hint: 'Give a smaller model, or one with smaller weights (float16, int8).' },
    )
  }
  const root = await directoryOf(modelPath)
  let done = 0
  for (const [location, group] of groupByLocation(slices)) {
    const { handle, size } = await openExternal(root, location, labelOf(group[0].tensor))
    try {
      for (const slice of group) {
        const { tensor, offset, length } = slice
        throwIfAborted(signal)
        if (offset > size || length > size - offset) {
          const expected = `bytes ${offset} to ${offset + length} of ${JSON.stringify(location)}`
          const hint = 'Fetch or export the file again.'
          throw externalError(labelOf(tensor), expected, `a file of ${size} bytes`, hint)
        }
        tensor.rawData = await readExactly(handle, slice)
        tensor.externalData = []
        Reflect.deleteProperty(tensor, 'dataLocation')
        done += length
        onProgress?.({ stage: 'read external data', done, total })
      }
    } finally {
      await handle.close()
    }
  }
  return writeModel(parsed)
}

export interface WriteExternalOptions extends CallOptions {
  /** Smaller tensors stay in the model; 1024 unless told. */
  minBytes?: number
  /** The data file, relative to the model's directory; the model's name with `.data` unless told. */
  location?: string
}

/** Moves large initializers of the main graph out of the model; where each goes in the data file. */
function detach(model: Model, location: string, minBytes: number): Slice[] {
  const slices: Slice[] = []
  let end = 0
  for (const tensor of model.graph.initializer) {
    const length = Object.hasOwn(tensor, 'rawData') ? tensor.rawData.length : 0
    if (length === 0 || length < minBytes) continue
    const offset = Math.ceil(end / ALIGNMENT) * ALIGNMENT
    slices.push({ tensor, location, offset, length })
    end = offset + length
  }
  return slices
}

/** Creates a file that was not there. */
async function writeNew(path: string, write: (handle: FileHandle) => Promise<void>): Promise<void> {
  const handle = await open(path, 'wx')
  try {
    await write(handle)
  } finally {
    await handle.close()
  }
}

async function writeAt(handle: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    const { bytesWritten } = await handle.write(bytes, done, bytes.length - done, position + done)
    done += bytesWritten
  }
}

/**
 * Writes a model with its large initializers in a data file beside it. Both files are written under temporary names and
 * renamed when complete, so a failure leaves what was there before.
 *
 * @param model the whole ONNX file
 * @param modelPath where to write it
 * @throws HardpackError `EXTERNAL_DATA` for a location that is not plainly inside the model's directory, or a model
 *   that has external data already; `IO` when a file cannot be written; `INVALID_MODEL`, `ABORTED`.
 * @example
 * await writeExternalData(model, 'out/model.onnx') // and out/model.onnx.data
 */
export async function writeExternalData(
  model: Uint8Array,
  modelPath: string,
  options: WriteExternalOptions = {},
): Promise<void> {
  const { minBytes = 1024, location = `${basename(modelPath)}.data`, signal, onProgress } = options
  const parsed = readModel(model)
  const external = [...tensorsOf(parsed)].find(isExternal)
  if (external) {
    throw externalError(labelOf(external), 'data in the model', 'external data', 'Call inlineExternalData first.')
  }
  const root = await directoryOf(modelPath)
  const modelFile = await pathForWriting(root, basename(modelPath), 'The model')
  const slices = detach(parsed, location, minBytes)
  const who = slices.length > 0 ? labelOf(slices[0].tensor) : 'The model'
  const dataFile = await pathForWriting(root, location, who)
  if (dataFile.toLowerCase() === modelFile.toLowerCase()) {
    throw externalError(who, 'a data file beside the model', 'the model file itself', 'Give another location.')
  }
  const total = slices.reduce((sum, { length }) => sum + length, 0)
  const suffix = `.${randomBytes(6).toString('hex')}.tmp`
  try {
    if (slices.length > 0) {
      await writeNew(dataFile + suffix, async (handle) => {
        let done = 0
        for (const { tensor, offset, length } of slices) {
          throwIfAborted(signal)
          await writeAt(handle, tensor.rawData, offset)
          Reflect.deleteProperty(tensor, 'rawData')
          tensor.dataLocation = EXTERNAL
          tensor.externalData = Object.entries({ location, offset, length }).map(([key, value]) =>
            create('StringStringEntryProto', { key, value: String(value) }),
          )
          done += length
          onProgress?.({ stage: 'write external data', done, total })
        }
      })
    }
    await writeNew(modelFile + suffix, (handle) => writeAt(handle, writeModel(parsed), 0))
    if (slices.length > 0) await rename(dataFile + suffix, dataFile)
    await rename(modelFile + suffix, modelFile)
  } catch (error) {
    await Promise.all([dataFile, modelFile].map((path) => rm(path + suffix, { force: true })))
    if (error instanceof HardpackError) throw error
    throw new HardpackError('IO', `The model cannot be written: ${messageOf(error)}.`, {
      hint: 'Check that the directory exists and may be written to.',
      cause: error,
    })
  }
}
