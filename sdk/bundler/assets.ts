/**
 * What a browser app ships besides its own code, for any bundler: the worker script with ONNX Runtime's JavaScript in
 * it, ONNX Runtime's glue, and its one WebAssembly file. All are self-hosted, so that a page whose
 * Content-Security-Policy is `default-src 'self'; script-src 'self' 'wasm-unsafe-eval'` runs them.
 *
 * A plugin emits the files and replaces one module, `targets/browser/assets`, by one with their URLs. An app that uses
 * no browser target never loads that module, and ships none of the files.
 */

import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'
import { HardpackError, messageOf } from '../core/index.ts'

export type AssetRole = 'worker' | 'mjs' | 'wasm'

export interface AssetFile {
  readonly role: AssetRole
  /** Path below the app's output directory, with a hash of the contents: `hardpack/ort-1a2b3c4d.wasm`. */
  readonly path: string
  readonly type: string
  readonly contents: Uint8Array
}

/** The compiled module that a plugin replaces. */
export const ASSETS_MODULE: string = fileURLToPath(new URL('../../targets/browser/assets.js', import.meta.url))

const WORKER_MODULE = fileURLToPath(new URL('../../targets/browser/worker.js', import.meta.url))

/** Without it, onnxruntime-web's own entry has the glue inlined, and its threads evaluate the app's script again. */
const EXTERN_WASM = 'onnxruntime-web-use-extern-wasm'

/**
 * The three files: the worker is bundled with esbuild, the others are copied from the `onnxruntime-web` that is installed.
 *
 * @throws HardpackError `TARGET_UNAVAILABLE` when `onnxruntime-web` or `esbuild` is not installed.
 * @example
 * for (const { path, contents } of await assetFiles()) await writeFile(join('dist', path), contents)
 */
export async function assetFiles(): Promise<AssetFile[]> {
  const require = createRequire(import.meta.url)
  try {
    const [worker, mjs, wasm] = await Promise.all([
      bundleWorker(),
      readFile(require.resolve('onnxruntime-web/ort-wasm-simd-threaded.asyncify.mjs')),
      readFile(require.resolve('onnxruntime-web/ort-wasm-simd-threaded.asyncify.wasm')),
    ])
    return [
      file('worker', 'worker', '.js', 'text/javascript', worker),
      file('mjs', 'ort', '.mjs', 'text/javascript', mjs),
      file('wasm', 'ort', '.wasm', 'application/wasm', wasm),
    ]
  } catch (error) {
    throw new HardpackError(
      'TARGET_UNAVAILABLE',
      `The bundler plugin expected the packages onnxruntime-web and esbuild, got: ${messageOf(error)}.`,
      { hint: 'Run `npm install onnxruntime-web esbuild`.', cause: error },
    )
  }
}

function file(role: AssetRole, stem: string, extension: string, type: string, contents: Uint8Array): AssetFile {
  const hash = createHash('sha256').update(contents).digest('hex').slice(0, 8)
  return { role, path: `hardpack/${stem}-${hash}${extension}`, type, contents }
}

async function bundleWorker(): Promise<Uint8Array> {
  const { build } = await import('esbuild')
  const { outputFiles } = await build({
    entryPoints: [WORKER_MODULE],
    bundle: true,
    write: false,
    minify: true,
    format: 'esm',
    platform: 'browser',
    target: 'es2022',
    conditions: [EXTERN_WASM],
    legalComments: 'none',
    logLevel: 'silent',
  })
  return outputFiles[0]!.contents
}

/**
 * The text of the module that takes the place of `targets/browser/assets`.
 *
 * @param expression JavaScript for the URL of a file, from its path
 */
export function assetsModule(files: readonly AssetFile[], expression: (path: string) => string): string {
  const entries = files.map(({ role, path }) => `  ${role}: ${expression(path)},\n`)
  return `export const ASSETS = {\n${entries.join('')}}\n`
}
