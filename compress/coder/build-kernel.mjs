/**
 * Compiles `assembly/kernel.ts` (AssemblyScript) and writes it as `kernel.generated.ts`, deflated and in base64 in a module: so no bundler
 * needs a rule for it, and no second `.wasm` file has to be hosted beside the runtime's. Run before `tsc`.
 */

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { deflateRawSync } from 'node:zlib'
import asc from 'assemblyscript/asc'

const here = fileURLToPath(new URL('.', import.meta.url))
const scratch = mkdtempSync(join(tmpdir(), 'hardpack-kernel-'))
const wasm = join(scratch, 'kernel.wasm')
const { error, stderr } = await asc.main([
  join(here, 'assembly', 'kernel.ts'),
  ...['-O3', '--noAssert', '--runtime', 'stub', '--importMemory', '--enable', 'simd', '--memoryBase', '16'],
  ...['--initialMemory', '40', '--maximumMemory', '40', '--use', 'abort=', '--outFile', wasm],
])
if (error) {
  process.stderr.write(`${stderr.toString()}\n${error.message}\n`)
  process.exit(1)
}
const bytes = readFileSync(wasm)
rmSync(scratch, { recursive: true })
writeFileSync(
  join(here, 'kernel.generated.ts'),
  '/** Generated from assembly/kernel.ts by build-kernel.mjs. */\n' +
    `export const KERNEL_BYTES = ${bytes.length}\n` +
    `export const KERNEL = '${deflateRawSync(bytes, { level: 9 }).toString('base64')}'\n`,
)
process.stderr.write(`kernel: ${bytes.length} bytes of WebAssembly\n`)
