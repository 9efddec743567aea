/**
 * Where the worker script and ONNX Runtime's two files are. The bundler plugins (`sdk/bundler`) emit the files and
 * replace this module by one with their final URLs; without a plugin, copy the files to these places.
 */

/** URLs; relative ones are resolved against the page. */
export interface Assets {
  /** The worker script: `hardpack/worker`, bundled. */
  readonly worker: string
  /** ONNX Runtime's glue, `ort-wasm-simd-threaded.asyncify.mjs`. */
  readonly mjs: string
  /** ONNX Runtime itself, `ort-wasm-simd-threaded.asyncify.wasm`. */
  readonly wasm: string
}

export const ASSETS: Assets = {
  worker: 'hardpack/worker.js',
  mjs: 'hardpack/ort.mjs',
  wasm: 'hardpack/ort.wasm',
}
