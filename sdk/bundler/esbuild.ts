/** The esbuild plugin (`hardpack/esbuild`): emits workers and ONNX Runtime beside the app, and tells the app where. */

import { createHash } from 'node:crypto'
import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import type { OutputFile, Plugin, PluginBuild } from 'esbuild'
import { HardpackError } from '../core/index.ts'
import { ASSET_MODULES, type AssetFile, assetsModule } from './assets.ts'

/**
 * With `publicPath` among esbuild's options the URLs start with it. Else they are relative to the output file (ESM) or to
 * the page (other formats): then the entry point must lie at the top of the output directory.
 *
 * @throws HardpackError `INVALID_ARGUMENT` (as a build error) when the build has neither `outdir` nor `outfile`.
 * @example
 * await build({ entryPoints: ['app.ts'], bundle: true, format: 'esm', outdir: 'dist', plugins: [hardpack()] })
 */
export function hardpack(): Plugin {
  return { name: 'hardpack', setup }
}

function setup(build: PluginBuild): void {
  const options = build.initialOptions
  const base = options.absWorkingDir ?? process.cwd()
  const directory = options.outdir ?? (options.outfile && dirname(options.outfile))
  const files = new Map<string, Promise<AssetFile[]>>()
  const used = new Set<string>()

  const expression = (path: string): string => {
    if (options.publicPath !== undefined) return JSON.stringify(`${options.publicPath.replace(/\/$/, '')}/${path}`)
    return options.format === 'esm' ? `new URL(${JSON.stringify(path)}, import.meta.url).href` : JSON.stringify(path)
  }

  build.onStart(() => {
    used.clear()
  })

  build.onLoad({ filter: /[\\/]assets\.js$/ }, async ({ path }) => {
    const make = ASSET_MODULES.get(path)
    if (!make) return undefined
    used.add(path)
    const made = files.get(path) ?? make()
    files.set(path, made)
    return { contents: assetsModule(await made, expression), loader: 'js' }
  })

  build.onEnd(async (result) => {
    if (used.size === 0 || result.errors.length > 0) return
    if (directory === undefined) {
      throw new HardpackError('INVALID_ARGUMENT', 'The hardpack plugin expected outdir or outfile, got neither.')
    }
    const shipped = await Promise.all([...used].map((path) => files.get(path) ?? []))
    for (const { path, contents } of shipped.flat()) {
      const target = join(resolve(base, directory), path)
      if (options.write === false) result.outputFiles?.push(outputFile(target, contents))
      else {
        await mkdir(dirname(target), { recursive: true })
        await writeFile(target, contents)
      }
    }
  })
}

function outputFile(path: string, contents: Uint8Array): OutputFile {
  return {
    path,
    contents,
    hash: createHash('sha256').update(contents).digest('hex'),
    get text() {
      return new TextDecoder().decode(contents)
    },
  }
}
