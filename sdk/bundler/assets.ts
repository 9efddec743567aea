/**
 * What a browser app ships besides its own code, for any bundler: the worker script with ONNX Runtime's JavaScript in
 * it, ONNX Runtime's glue, and its one WebAssembly file; and the script of the decoding workers. All are self-hosted, so
 * that a page whose Content-Security-Policy is `default-src 'self'; script-src 'self' 'wasm-unsafe-eval'` runs them.
 *
 * A plugin emits the files and replaces two modules, `targets/browser/assets` and `compress/pool/assets`, by ones with
 * their URLs. An app that uses no browser target never loads the first, and ships no runtime; likewise with `open` and the
 * second.
 */

import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'
import { HardpackError, messageOf } from '../core/index.ts'

export interface AssetFile {
  /** The name under which the module has its URL. */
  readonly role: string
  /** Path below the app's output directory, with a hash of the contents: `hardpack/ort-1a2b3c4d.wasm`. */
  readonly path: string
  readonly type: string
  readonly contents: Uint8Array
}

const compiled = (path: string): string => fileURLToPath(new URL(`../../${path}`, import.meta.url))

/** The compiled modules that a plugin replaces, and how to make the files that each names. */
export const ASSET_MODULES: ReadonlyMap<string, () => Promise<AssetFile[]>> = new Map([
  [compiled('targets/browser/assets.js'), runtimeFiles],
  [compiled('compress/pool/assets.js'), decoderFiles],
])

const RUNTIME_WORKER = compiled('targets/browser/worker.js')
const DECODE_WORKER = compiled('compress/pool/worker.js')

/** Without it, onnxruntime-web's own entry has the glue inlined, and its threads evaluate the app's script again. */
const EXTERN_WASM = 'onnxruntime-web-use-extern-wasm'

/**
 * The worker, bundled with esbuild, and two files that are copied from the `onnxruntime-web` that is installed.
 *
 * @throws HardpackError `TARGET_UNAVAILABLE` when `onnxruntime-web` or `esbuild` is not installed.
 */
async function runtimeFiles(): Promise<AssetFile[]> {
  const require = createRequire(import.meta.url)
  try {
    const [worker, mjs, wasm] = await Promise.all([
      bundled(RUNTIME_WORKER),
      readFile(require.resolve('onnxruntime-web/ort-wasm-simd-threaded.asyncify.mjs')),
      readFile(require.resolve('onnxruntime-web/ort-wasm-simd-threaded.asyncify.wasm')),
    ])
    return [
      file('worker', 'worker', '.js', 'text/javascript', worker),
      file('mjs', 'ort', '.mjs', 'text/javascript', mjs),
      file('wasm', 'ort', '.wasm', 'application/wasm', wasm),
    ]
  } catch (error) {
    throw missing('packages onnxruntime-web and esbuild', 'onnxruntime-web esbuild', error)
  }
}

/**
 * The decoding worker, bundled with esbuild.
 *
 * @throws HardpackError `TARGET_UNAVAILABLE` when `esbuild` is not installed.
 */
async function decoderFiles(): Promise<AssetFile[]> {
  try {
    return [file('decoder', 'decode', '.js', 'text/javascript', await bundled(DECODE_WORKER))]
  } catch (error) {
    throw missing('package esbuild', 'esbuild', error)
  }
}

function missing(what: string, packages: string, error: unknown): HardpackError {
  return new HardpackError('TARGET_UNAVAILABLE', `The bundler plugin expected the ${what}, got: ${messageOf(error)}.`, {
    hint: `Run \`npm install ${packages}\`.`,
    cause: error,
  })
}

function file(role: string, stem: string, extension: string, type: string, contents: Uint8Array): AssetFile {
  const hash = createHash('sha256').update(contents).digest('hex').slice(0, 8)
  return { role, path: `hardpack/${stem}-${hash}${extension}`, type, contents }
}

async function bundled(entryPoint: string): Promise<Uint8Array> {
  const { build } = await import('esbuild')
  const { outputFiles } = await build({
    entryPoints: [entryPoint],
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
 * The text of the module that takes the place of one of `ASSET_MODULES`.
 *
 * @param expression JavaScript for the URL of a file, from its path
 */
export function assetsModule(files: readonly AssetFile[], expression: (path: string) => string): string {
  const entries = files.map(({ role, path }) => `  ${role}: ${expression(path)},\n`)
  return `export const ASSETS = {\n${entries.join('')}}\n`
}
