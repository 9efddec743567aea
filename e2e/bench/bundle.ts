/** What a browser downloads besides the model. `npm run bench:bundle` */

import { count, table } from '../../sdk/cli/command.ts'
import { bundleSizes } from '../bundle.ts'
import { environment, writeResults } from './environment.ts'

const { app, worker, guard, threads, decoder, runtime, inputs } = await bundleSizes()
process.stdout.write(
  `${table(
    [
      ['gzipped', 'bytes'],
      ['hardpack in the page', count(app)],
      ['hardpack in the worker', count(worker)],
      ['hardpack in all', count(app + worker)],
      ['more for a package with a guard', count(guard)],
      ['more for decoding in several threads', count(threads)],
      ['decoding workers, for large packages only', count(decoder)],
      ['ONNX Runtime', count(runtime)],
    ],
    [1],
  )}\n`,
)
const results = { app, worker, guard, threads, decoder, runtime, modules: inputs.length }
process.stderr.write(
  `Written to ${await writeResults('bundle', await environment('npm run bench:bundle'), results)}.\n`,
)
