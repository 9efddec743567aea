/** What a browser downloads of an app that opens packages: our own code, and ONNX Runtime beside it. */

import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import * as esbuild from 'esbuild'
import { hardpack } from '../sdk/bundler/esbuild.ts'

const HERE = fileURLToPath(new URL('.', import.meta.url))
const WORKER = fileURLToPath(new URL('../targets/browser/worker.js', import.meta.url))

/** As an app would bundle for release. */
export const BUNDLE = { bundle: true, minify: true, format: 'esm', target: 'es2022', logLevel: 'silent' } as const

export interface BundleSizes {
  /** Modules of the app's bundle. */
  readonly inputs: readonly string[]
  /** Bytes, gzipped, of the app's bundle and of the worker without ONNX Runtime's JavaScript. */
  readonly app: number
  readonly worker: number
  /** Bytes, gzipped, of the script of the decoding workers, which only large packages load. */
  readonly decoder: number
  /** Bytes, gzipped, of ONNX Runtime: its JavaScript in the worker, its glue and its WebAssembly. */
  readonly runtime: number
}

/** The browser example of the README. */
export async function readmeExample(): Promise<string> {
  const readme = await readFile(join(HERE, '..', '..', 'README.md'), 'utf8')
  const [, example] = /```js\n([\s\S]*?)```/.exec(readme) ?? []
  if (example === undefined) throw new Error('README.md has no block of js')
  return example
}

/** A new folder inside the package, where 'hardpack' means this package and its exports. */
export function exampleFolder(): Promise<string> {
  return mkdtemp(join(HERE, 'example-'))
}

/** Bundles the example of the README, minified, and measures it. */
export async function bundleSizes(): Promise<BundleSizes> {
  const folder = await exampleFolder()
  try {
    const entry = join(folder, 'app.js')
    await writeFile(entry, await readmeExample())
    const app = await bundle(entry, [hardpack()])
    const worker = await bundle(WORKER, [], ['onnxruntime-web/*'])
    const size = (files: readonly esbuild.OutputFile[], name: RegExp): number => {
      const file = files.find(({ path }) => name.test(path))
      if (!file) throw new Error(`no output file ${name}`)
      return gzipSync(file.contents, { level: 9 }).length
    }
    const own = size(worker.outputFiles, /worker\.js$/)
    const shipped = [/hardpack\/worker-.*\.js$/, /hardpack\/ort-.*\.mjs$/, /hardpack\/ort-.*\.wasm$/]
    return {
      inputs: Object.keys(app.metafile.inputs),
      app: size(app.outputFiles, /app\.js$/),
      worker: own,
      decoder: size(app.outputFiles, /hardpack\/decode-.*\.js$/),
      runtime: shipped.reduce((sum, name) => sum + size(app.outputFiles, name), 0) - own,
    }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

function bundle(entry: string, plugins: esbuild.Plugin[], external: string[] = []) {
  return esbuild.build({
    ...BUNDLE,
    entryPoints: [entry],
    outdir: join(HERE, 'unwritten'),
    write: false,
    metafile: true,
    plugins,
    external,
  })
}
