/** Files in Node: reading by ranges, and writing so that no half-written file is ever seen under its name. */

import { randomBytes } from 'node:crypto'
import type { Stats } from 'node:fs'
import { access, constants, type FileHandle, open, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { checkRange, HardpackError, messageOf, type Source } from '../core/index.ts'

/** A source over an open file. Close it when done. */
export interface FileSource extends Source {
  close(): Promise<void>
}

/**
 * Opens a file for reading by ranges.
 *
 * @throws HardpackError `IO` when it cannot be read.
 */
export async function fileSource(path: string): Promise<FileSource> {
  let handle: FileHandle | undefined
  let byteLength: number
  try {
    handle = await open(path, 'r')
    const stat = await handle.stat()
    if (!stat.isFile()) throw new Error('not a file')
    byteLength = stat.size
  } catch (error) {
    await handle?.close()
    throw unreadable(path, error)
  }
  return sourceOf(path, handle, byteLength)
}

function sourceOf(path: string, handle: FileHandle, byteLength: number): FileSource {
  const source: FileSource = {
    byteLength,
    async read(start, end, _, into) {
      checkRange(source, start, end)
      const bytes = into ?? new Uint8Array(end - start)
      const { bytesRead } = await handle.read(bytes, 0, bytes.length, start)
      if (bytesRead !== bytes.length) throw unreadable(path, new Error(`it ended after ${start + bytesRead} bytes`))
      return bytes
    },
    close: () => handle.close(),
  }
  return source
}

/**
 * The whole of a file.
 *
 * @throws HardpackError `IO` when it cannot be read.
 */
export async function readWhole(path: string): Promise<Uint8Array> {
  try {
    const { buffer, byteOffset, length } = await readFile(path)
    return new Uint8Array(buffer, byteOffset, length) // A Buffer's `slice` is a view, not a copy.
  } catch (error) {
    throw unreadable(path, error)
  }
}

/**
 * Checks, before long work, that its result can be written: the folder is there, and the path is neither a folder nor the
 * input itself.
 *
 * @throws HardpackError `IO`, or `INVALID_ARGUMENT` for the input itself.
 */
export async function checkOutput(output: string, input: string): Promise<void> {
  let there: Stats | undefined
  try {
    there = await stat(output).catch((error) => {
      if (error.code === 'ENOENT') return undefined
      throw error
    })
    if (there?.isDirectory()) throw new Error('a folder')
    if (!there || there.isFile()) await access(dirname(output), constants.W_OK)
  } catch (error) {
    throw unwritable(output, error)
  }
  const source = await stat(input).catch(() => undefined)
  if (there && source && there.dev === source.dev && there.ino === source.ino) {
    throw new HardpackError('INVALID_ARGUMENT', `The output expected another file than the input, got "${output}".`, {
      hint: 'Choose another name with -o.',
    })
  }
}

/**
 * Writes a file under a temporary name beside it and renames it when it is complete. A device or pipe (`/dev/null`,
 * `/dev/stdout`) is written to, not replaced.
 *
 * @throws HardpackError `IO` when it cannot be written; nothing is left behind.
 */
export async function writeWhole(path: string, bytes: Uint8Array | string, mode = 0o666): Promise<void> {
  const temporary = join(dirname(path), `.${basename(path)}.${randomBytes(6).toString('hex')}.tmp`)
  try {
    const there = await stat(path).catch(() => undefined)
    if (there && !there.isFile() && !there.isDirectory()) return await writeFile(path, bytes)
    const handle = await open(temporary, 'wx', mode)
    try {
      await handle.writeFile(bytes)
      await handle.sync()
    } finally {
      await handle.close()
    }
    await rename(temporary, path)
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => {}) // The folder itself may be missing.
    throw unwritable(path, error)
  }
}

function unwritable(path: string, error: unknown): HardpackError {
  return new HardpackError('IO', `The output expected a path that can be written, got "${path}" (${reason(error)}).`, {
    hint: 'Create its folder or choose another path.',
    cause: error,
  })
}

function unreadable(path: string, error: unknown): HardpackError {
  return new HardpackError('IO', `The input expected a file that can be read, got "${path}" (${reason(error)}).`, {
    hint: 'Check the path.',
    cause: error,
  })
}

const reason = (error: unknown): string => (error as NodeJS.ErrnoException).code ?? messageOf(error)
