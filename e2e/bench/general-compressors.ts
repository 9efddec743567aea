/**
 * What bytes take when general compressors pack them: gzip and brotli, which servers and browsers have, from Node's zlib;
 * zstd, xz and zpaq as command line tools (Debian: `zstd`, `xz-utils`, `zpaq`), which may be absent.
 */

import { execFile, spawnSync } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { brotliCompress, constants, gzip } from 'node:zlib'

/** The four that a whole ONNX file is compared with. */
export const GENERAL = ['gzip -9', 'zstd -19 --long=27', 'brotli -11', 'xz -9e'] as const

/** The archiver of Mahoney: context mixing, slow in both directions, near the best that is known for any file. */
export const ZPAQ = 'zpaq -m5'

export type GeneralCompressor = (typeof GENERAL)[number] | typeof ZPAQ | 'zstd -19'

/**
 * Runs a tool on a file in an empty folder and gives the file that it leaves there. Files on both sides: a pipe would stop
 * the tool whenever this thread is busy, and zstd would not know how long the input is.
 */
async function byTool(bytes: Uint8Array, command: readonly string[], output: string): Promise<Uint8Array> {
  const [program, ...args] = command
  const folder = await mkdtemp(join(tmpdir(), 'hardpack-bench-'))
  try {
    await writeFile(join(folder, INPUT), bytes)
    await promisify(execFile)(program, args, { cwd: folder })
    return new Uint8Array(await readFile(join(folder, output)))
  } finally {
    await rm(folder, { recursive: true })
  }
}

/** zpaq writes the name into its archive: it is the same short one for all. */
const INPUT = 'm.onnx'

const gzip9 = (bytes: Uint8Array): Promise<Uint8Array> => promisify(gzip)(bytes, { level: 9 })

/** With its largest standard window. */
function brotli11(bytes: Uint8Array): Promise<Uint8Array> {
  const params = {
    [constants.BROTLI_PARAM_QUALITY]: 11,
    [constants.BROTLI_PARAM_LGWIN]: 24,
    [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length,
  }
  return promisify(brotliCompress)(bytes, { params })
}

const COMPRESSORS: Record<GeneralCompressor, (bytes: Uint8Array) => Promise<Uint8Array>> = {
  'gzip -9': gzip9,
  'zstd -19': (bytes) => byTool(bytes, ['zstd', '-19', '-q', INPUT, '-o', 'out'], 'out'),
  'zstd -19 --long=27': (bytes) => byTool(bytes, ['zstd', '-19', '--long=27', '-q', INPUT, '-o', 'out'], 'out'),
  'brotli -11': brotli11,
  'xz -9e': (bytes) => byTool(bytes, ['xz', '-9e', '-T1', '-q', INPUT], `${INPUT}.xz`),
  'zpaq -m5': (bytes) => byTool(bytes, ['zpaq', 'add', 'out.zpaq', INPUT, '-m5', '-t1'], 'out.zpaq'),
}

const TOOLS = [
  ['zstd', ['--version']],
  ['xz', ['--version']],
  ['zpaq', []],
] as const

/** Versions of the command line tools that are installed here, by name. */
export function toolVersions(): Record<string, string> {
  const versions: Record<string, string> = {}
  for (const [tool, args] of TOOLS) {
    const { stdout } = spawnSync(tool, args, { encoding: 'utf8' })
    const version = stdout?.match(/\d+(?:\.\d+)+/)?.[0]
    if (version) versions[tool] = version
  }
  return versions
}

/** One sentence for each tool that is absent. */
export function absentTools(installed: Readonly<Record<string, string>> = toolVersions()): string[] {
  return TOOLS.map(([tool]) => tool)
    .filter((tool) => installed[tool] === undefined)
    .map((tool) => `${tool} is not installed: its columns stay empty.`)
}

/**
 * Compresses outside this thread. `undefined` where the tool is absent.
 *
 * @example
 * const frame = await compressGenerally('zstd -19 --long=27', bytes)
 */
export async function compressGenerally(name: GeneralCompressor, bytes: Uint8Array): Promise<Uint8Array | undefined> {
  try {
    return await COMPRESSORS[name](bytes)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

/** Bytes of a file after `gzip -9`, and after `brotli -11` with its largest standard window. */
export async function generalSizes(file: Uint8Array): Promise<{ gzip: number; brotli: number }> {
  return { gzip: (await gzip9(file)).length, brotli: (await brotli11(file)).length }
}
