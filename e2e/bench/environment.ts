/** What every benchmark says about itself: machine, versions, command; and where the data is. */

import { existsSync } from 'node:fs'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { arch, cpus, platform, totalmem } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const ROOT = fileURLToPath(new URL('../../../', import.meta.url))
const require = createRequire(import.meta.url)

/** The folder of real models and data sets: `HARDPACK_DATA`, else `../shared/data` beside the checkout; if it is there. */
export function dataFolder(): string | undefined {
  const folder = process.env.HARDPACK_DATA ?? join(ROOT, '..', 'shared', 'data')
  return existsSync(folder) ? folder : undefined
}

export interface Environment {
  readonly command: string
  readonly machine: string
  readonly versions: Readonly<Record<string, string>>
}

/**
 * Machine and versions of this run.
 *
 * @param packages npm packages that it measured besides the runtimes
 */
export async function environment(command: string, packages: readonly string[] = []): Promise<Environment> {
  const versionOf = async (name: string): Promise<string> => {
    const manifest = JSON.parse(await readFile(join(ROOT, 'node_modules', name, 'package.json'), 'utf8'))
    return manifest.version
  }
  const [cpu] = cpus()
  return {
    command,
    machine: `${cpu.model.trim()}, ${cpus().length} cores, ${Math.round(totalmem() / 2 ** 30)} GiB, ${platform()} ${arch()}`,
    versions: {
      hardpack: require('hardpack/package.json').version,
      node: process.versions.node,
      zlib: process.versions.zlib ?? 'unknown',
      brotli: process.versions.brotli ?? 'unknown',
      ...Object.fromEntries(
        await Promise.all(
          ['onnxruntime-node', 'onnxruntime-web', ...packages].map(async (name) => [name, await versionOf(name)]),
        ),
      ),
    },
  }
}

const RESULTS = join(ROOT, 'bench', 'results')

/** The results in `bench/results/<name>.json`, where there are some. */
export async function readResults<Results>(name: string): Promise<Results | undefined> {
  const path = join(RESULTS, `${name}.json`)
  return existsSync(path) ? JSON.parse(await readFile(path, 'utf8')).results : undefined
}

/** Writes `bench/results/<name>.json`. */
export async function writeResults(name: string, environment: Environment, results: unknown): Promise<string> {
  await mkdir(RESULTS, { recursive: true })
  const path = join(RESULTS, `${name}.json`)
  await writeFile(path, `${JSON.stringify({ ...environment, results }, undefined, 1)}\n`)
  return `bench/results/${name}.json`
}
