/** Bundles a target with its instrumented decoders into one module (esbuild), which finds its counters in `globalThis.__fuzz`. */

import { readFile } from 'node:fs/promises'
import { relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import * as esbuild from 'esbuild'
import { instrument } from '../coverage/instrument.ts'
import { ARRAY_NAMES } from './allocation.ts'

const DIST = fileURLToPath(new URL('../..', import.meta.url))

export interface BundleOptions {
  /** The compiled target. */
  readonly module: URL
  /** Modules whose counters guide the fuzzer, by path. */
  readonly instrumented: RegExp
  /** Changes a module before it is instrumented: tests plant errors with it. */
  readonly plant?: (source: string, path: string) => string
}

export interface Bundle {
  readonly code: string
  readonly counters: number
}

export async function bundleTarget({ module, instrumented, plant }: BundleOptions): Promise<Bundle> {
  let counters = 0
  const plugin: esbuild.Plugin = {
    name: 'counters',
    setup(build) {
      build.onLoad({ filter: instrumented }, async ({ path }) => {
        const name = relative(DIST, path)
        const source = await readFile(path, 'utf8')
        const own = instrument(plant ? plant(source, name) : source, name, '__hits', counters)
        counters += own.counters
        const globals = `const __hits = globalThis.__fuzz.hits; const ${ARRAY_NAMES} = globalThis.__fuzz.arrays;`
        return { contents: `${globals}\n${own.code}`, loader: 'js' }
      })
    },
  }
  const { outputFiles } = await esbuild.build({
    entryPoints: [fileURLToPath(module)],
    outfile: 'target.mjs',
    bundle: true,
    write: false,
    format: 'esm',
    platform: 'node',
    target: 'es2022',
    logLevel: 'silent',
    plugins: [plugin],
  })
  return { code: outputFiles[0].text, counters }
}
