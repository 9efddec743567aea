/**
 * Where external data may lie. A model names its data files, and a model may come from anywhere, so a name must not
 * reach any file but a plain one beside the model or below (onnx has had such holes from CVE-2022-25882 on). Three
 * layers, each enough for most attacks; the fourth, offset and length, is in `external.ts`:
 *
 * 1. lexical: the name itself, before any system call;
 * 2. canonical: where the name leads, links resolved, stays in the model's directory;
 * 3. the file: no symbolic link on the way, a regular file without a second name (a hard link could be to anything),
 *    opened without following links, and the same file on the handle as the one that was checked.
 */

import { constants, type Stats } from 'node:fs'
import { type FileHandle, lstat, open, realpath } from 'node:fs/promises'
import { isAbsolute, join, relative, sep } from 'node:path'
import { HardpackError, messageOf } from '../core/index.ts'

/** An `EXTERNAL_DATA` error: `who` is the tensor, as the subject of the sentence. */
export function externalError(
  who: string,
  expected: string,
  got: string,
  hint: string,
  cause?: unknown,
): HardpackError {
  return new HardpackError('EXTERNAL_DATA', `${who} expected ${expected}, got ${got}.`, { hint, cause })
}

const quote = (location: string): string => JSON.stringify(location)

/** Layer 1. The segments of a location: relative, forward slashes, never up. */
function segmentsOf(location: string, who: string): string[] {
  const fail = (got: string): HardpackError =>
    externalError(
      who,
      'a file named relative to the model',
      `${got} ${quote(location)}`,
      'Export the model again with its data file beside it.',
    )
  if (location === '') throw fail('the empty name')
  if (location.includes('\0')) throw fail('a NUL character in')
  if (location.includes('\\')) throw fail('a backslash in')
  if (location.startsWith('/')) throw fail('the absolute path')
  if (/^[A-Za-z]:/.test(location)) throw fail('the drive letter of')
  const segments = location.split('/').filter((segment) => segment !== '.')
  if (segments.includes('..')) throw fail('".." in')
  if (segments.includes('') || segments.length === 0) throw fail('a name without a file in')
  return segments
}

const codeOf = (error: unknown): string | undefined => (error as NodeJS.ErrnoException).code

const isMissing = (error: unknown): boolean => codeOf(error) === 'ENOENT' || codeOf(error) === 'ENOTDIR'

function checkInside(root: string, path: string, location: string, who: string): void {
  const way = relative(root, path)
  if (way === '' || way === '..' || way.startsWith(`..${sep}`) || isAbsolute(way)) {
    throw externalError(
      who,
      "a file inside the model's directory",
      `${quote(location)}, which leads out of it`,
      'Copy the data file itself beside the model.',
    )
  }
}

function checkPlain(stats: Stats, location: string, who: string): void {
  const fail = (got: string): HardpackError =>
    externalError(who, 'a plain file', got, 'Copy the data file itself beside the model.')
  if (!stats.isFile()) throw fail(`${quote(location)}, which is not a regular file`)
  if (stats.nlink > 1) throw fail(`${quote(location)}, which is a hard link: the file has ${stats.nlink} names`)
}

/** Layers 2 and 3 without the file itself: each directory on the way is a real one. */
async function checkWay(root: string, segments: readonly string[], location: string, who: string): Promise<void> {
  let path = root
  for (const segment of segments) {
    path = join(path, segment)
    if ((await lstat(path)).isSymbolicLink()) {
      throw externalError(
        who,
        'a path without symbolic links',
        `${quote(location)}, where ${quote(segment)} is one`,
        'Copy the data file itself beside the model.',
      )
    }
  }
}

/**
 * Opens a file with external data for reading.
 *
 * @param root the model's directory, canonical
 * @param who the tensor, as the subject of an error's sentence
 * @throws HardpackError `EXTERNAL_DATA` when the location is not safe or the file is missing; `IO` when the system
 *   refuses to open it.
 */
export async function openExternal(
  root: string,
  location: string,
  who: string,
): Promise<{ handle: FileHandle; size: number }> {
  const segments = segmentsOf(location, who)
  const path = join(root, ...segments)
  let handle: FileHandle | undefined
  try {
    checkInside(root, await realpath(path), location, who)
    await checkWay(root, segments, location, who)
    const expected = await lstat(path)
    checkPlain(expected, location, who)
    handle = await open(path, constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0))
    const stats = await handle.stat()
    checkPlain(stats, location, who)
    if (stats.ino !== expected.ino || stats.dev !== expected.dev) {
      throw externalError(who, 'a file that stays the same', `${quote(location)}, which was replaced`, 'Try again.')
    }
    return { handle, size: stats.size }
  } catch (error) {
    await handle?.close()
    if (error instanceof HardpackError) throw error
    if (isMissing(error)) {
      const hint = 'Put it beside the model.'
      throw externalError(who, `external data in the file ${quote(location)}`, 'no such file', hint, error)
    }
    throw new HardpackError('IO', `The external data file ${quote(location)} cannot be read: ${messageOf(error)}.`, {
      cause: error,
    })
  }
}

/** What is wrong with a place to write to; nothing when it is a plain file or free. */
async function checkPlace(root: string, segments: readonly string[], location: string, who: string): Promise<void> {
  const directories = segments.slice(0, -1)
  const directory = join(root, ...directories)
  if (directories.length > 0) {
    try {
      checkInside(root, await realpath(directory), location, who)
    } catch (error) {
      if (!isMissing(error)) throw error
      throw externalError(who, `the directory of ${quote(location)}`, 'no such directory', 'Make it first.', error)
    }
    await checkWay(root, directories, location, who)
  }
  const path = join(root, ...segments)
  const stats = await lstat(path).catch((error: unknown) => {
    if (isMissing(error)) return undefined
    throw error
  })
  if (!stats) return
  if (stats.isSymbolicLink()) {
    const target = await realpath(path).catch(() => path)
    checkInside(root, target, location, who)
    await checkWay(root, segments, location, who)
  }
  checkPlain(stats, location, who)
}

/**
 * The path to write external data to: its directory is a real one inside `root`, and nothing but a plain file is
 * replaced.
 *
 * @throws HardpackError `EXTERNAL_DATA` when the location is not safe or its directory is missing; `IO` when the system
 *   does not let us look.
 */
export async function pathForWriting(root: string, location: string, who: string): Promise<string> {
  const segments = segmentsOf(location, who)
  try {
    await checkPlace(root, segments, location, who)
  } catch (error) {
    if (error instanceof HardpackError) throw error
    throw new HardpackError('IO', `The place ${quote(location)} cannot be looked at: ${messageOf(error)}.`, {
      cause: error,
    })
  }
  return join(root, ...segments)
}
