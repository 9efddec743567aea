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
  /** Bytes, gzipped, of what the app's page loads at first, and of the worker without ONNX Runtime's JavaScript. */
  readonly app: number
  readonly worker: number
  /** Bytes, gzipped, of what a page loads when a package has a guard, and when it decodes in several threads. */
  readonly guard: number
  readonly threads: number
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
    const loaded = (has: RegExp): number => gzippedSize(app, chunksOf(app.metafile, has))
    const [main] = chunksOf(app.metafile, /\/app\.js$/)
    return {
      inputs: Object.keys(app.metafile.inputs),
      app: gzippedSize(app, staticallyImported(app.metafile, main)),
      guard: loaded(/run\/guard\/guard\.js$/),
      threads: loaded(/pool\/pool\.js$/),
      worker: own,
      decoder: size(app.outputFiles, /hardpack\/decode-.*\.js$/),
      runtime: shipped.reduce((sum, name) => sum + size(app.outputFiles, name), 0) - own,
    }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

type Bundled = Awaited<ReturnType<typeof bundle>>

/** The outputs that hold a module. */
function chunksOf({ outputs }: esbuild.Metafile, module: RegExp): string[] {
  return Object.keys(outputs).filter((path) => Object.keys(outputs[path].inputs).some((input) => module.test(input)))
}

/** An output, and what it cannot run without. */
function staticallyImported({ outputs }: esbuild.Metafile, path: string, seen = new Set<string>()): string[] {
  if (seen.has(path)) return []
  seen.add(path)
  for (const { path: other, kind } of outputs[path].imports) {
    if (kind === 'import-statement' && outputs[other]) staticallyImported({ inputs: {}, outputs }, other, seen)
  }
  return [...seen]
}

function gzippedSize({ outputFiles, metafile }: Bundled, paths: readonly string[]): number {
  return paths.reduce((sum, path) => {
    const file = outputFiles.find((output) => output.path.endsWith(path.replace(/^.*\//, '/')))
    if (!file || !metafile.outputs[path]) throw new Error(`no output file ${path}`)
    return sum + gzipSync(file.contents, { level: 9 }).length
  }, 0)
}

function bundle(entry: string, plugins: esbuild.Plugin[], external: string[] = []) {
  return esbuild.build({
    ...BUNDLE,
    splitting: true,
    entryPoints: [entry],
    outdir: join(HERE, 'unwritten'),
    write: false,
    metafile: true,
    plugins,
    external,
  })
}
