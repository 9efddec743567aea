import assert from 'node:assert/strict'
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import * as esbuild from 'esbuild'
import type { Browser } from 'playwright-core'
import * as vite from 'vite'
import { hardpack as esbuildPlugin } from '../sdk/bundler/esbuild.ts'
import { hardpack as vitePlugin } from '../sdk/bundler/vite.ts'
import { findChromium, launchChromium, openPage } from '../sdk/cli/chromium.ts'
import { STRICT_CSP, serve } from '../sdk/cli/static-server.ts'

const chromium = findChromium()
const skip = 'reason' in chromium ? chromium.reason : false
const app = fileURLToPath(new URL('./pages/targets.js', import.meta.url))
const library = fileURLToPath(new URL('../sdk/index.js', import.meta.url))
const repository = fileURLToPath(new URL('../..', import.meta.url))

let browser: Browser
let root: string

before(async () => {
  root = await mkdtemp(join(tmpdir(), 'hardpack-'))
  await writeFile(join(root, 'index.html'), '<!doctype html><script type="module" src="./app.js"></script>')
  await writeFile(join(root, 'app.js'), `import { page } from ${JSON.stringify(app)}\nglobalThis.e2e = page\n`)
  if (!('reason' in chromium)) browser = await launchChromium(chromium.path)
})

after(async () => {
  await browser?.close()
  await rm(root, { recursive: true })
})

const viteOptions = (): vite.InlineConfig => ({
  root,
  configFile: false,
  logLevel: 'error',
  cacheDir: join(root, '.vite'),
  plugins: [vitePlugin()],
})

/** What a bundler may put into a directory for the app: one runtime, and code of the app that has no runtime in it. */
async function assertShipped(directory: string): Promise<void> {
  const files = (await readdir(directory, { recursive: true })).sort()
  const shipped = files.filter((file) => file.startsWith('hardpack/'))
  const [mjs, wasm, worker] = [/ort-[0-9a-f]{8}\.mjs$/, /ort-[0-9a-f]{8}\.wasm$/, /worker-[0-9a-f]{8}\.js$/].map(
    (name) => shipped.find((file) => name.test(file)),
  )
  assert.ok(shipped.length === 3 && mjs && wasm && worker, `expected glue, runtime and worker, got ${shipped}`)
  assert.deepEqual(
    files.filter((file) => file.endsWith('.wasm')),
    [wasm],
  )
  for (const file of files.filter((file) => /\.m?js$/.test(file) && !file.startsWith('hardpack/'))) {
    const code = await readFile(join(directory, file))
    assert.ok(!/ort-wasm-simd|_OrtCreateSession/.test(code.toString()), `${file} holds ONNX Runtime`)
    assert.ok(gzipSync(code).length < 20_000, `${file} expected less than 20 kB gzipped`)
  }
}

/** Runs the app from a directory under the strict policy. */
async function assertRuns(directory: string): Promise<void> {
  const served = await serve({ root: directory, csp: STRICT_CSP })
  try {
    const { call, messages } = await openPage(browser, served.url)
    assert.deepEqual(await call("e2e.twice('wasm')"), [
      [4, 7],
      [4, 7],
    ])
    assert.deepEqual(served.violations, [])
    assert.deepEqual(messages, [])
    assert.equal(new Set(served.requests.filter((path) => path.endsWith('.wasm'))).size, 1)
  } finally {
    await served.close()
  }
}

test('esbuild ships one runtime, which runs under the strict policy', { skip }, async () => {
  const outdir = join(root, 'esbuild')
  await esbuild.build({
    entryPoints: [join(root, 'app.js')],
    outdir,
    bundle: true,
    minify: true,
    format: 'esm',
    plugins: [esbuildPlugin()],
  })
  await assertShipped(outdir)
  await writeFile(join(outdir, 'index.html'), await readFile(join(root, 'index.html')))
  await assertRuns(outdir)
})

test('Vite ships one runtime, which runs under the strict policy', { skip }, async () => {
  const outDir = join(root, 'vite')
  await vite.build({ ...viteOptions(), build: { outDir, modulePreload: false } })
  await assertShipped(outDir)
  await assertRuns(outDir)
})

test('Vite in development serves the same files', { skip }, async () => {
  const server = await vite.createServer({
    ...viteOptions(),
    server: { host: '127.0.0.1', port: 0, fs: { allow: [root, repository] } },
  })
  try {
    await server.listen()
    const { call } = await openPage(browser, server.resolvedUrls!.local[0]!)
    assert.deepEqual(await call("e2e.twice('wasm')"), [
      [4, 7],
      [4, 7],
    ])
  } finally {
    await server.close()
  }
})

test('an app that only opens packages ships the decoding worker, and no runtime', async () => {
  const entry = join(root, 'open.js')
  await writeFile(entry, `import { open } from ${JSON.stringify(library)}\nglobalThis.open = open\n`)
  const bundle = { bundle: true, format: 'esm' } as const
  await esbuild.build({
    ...bundle,
    entryPoints: [entry],
    outdir: join(root, 'open-esbuild'),
    plugins: [esbuildPlugin()],
  })
  const outDir = join(root, 'open-vite')
  await vite.build({ ...viteOptions(), build: { outDir, lib: { entry, formats: ['es'], fileName: () => 'open.js' } } })
  for (const directory of [join(root, 'open-esbuild'), outDir]) {
    const [decoder, ...others] = await readdir(join(directory, 'hardpack'))
    assert.match(decoder, /^decode-[0-9a-f]{8}\.js$/)
    assert.deepEqual(others, [])
    assert.ok((await readFile(join(directory, 'open.js'), 'utf8')).includes(`hardpack/${decoder}`))
  }
})

test('an app without a browser target ships no runtime', async () => {
  const entry = join(root, 'plain.js')
  await writeFile(entry, "console.log('no model here')\n")
  const outdir = join(root, 'plain')
  await esbuild.build({ entryPoints: [entry], outdir, bundle: true, plugins: [esbuildPlugin()] })
  assert.deepEqual(await readdir(outdir), ['plain.js'])
})

test('esbuild: in memory, with a public path, and without an output directory', async () => {
  const options = { entryPoints: [app], bundle: true, write: false as const, logLevel: 'silent' as const }
  const { outputFiles } = await esbuild.build({
    ...options,
    outdir: join(root, 'memory'),
    publicPath: 'https://cdn.example/app/',
    plugins: [esbuildPlugin()],
  })
  assert.equal(outputFiles.length, 4)
  assert.match(outputFiles[0]!.text, /"https:\/\/cdn\.example\/app\/hardpack\/worker-[0-9a-f]{8}\.js"/)
  await assert.rejects(stat(join(root, 'memory')), { code: 'ENOENT' })
  await assert.rejects(esbuild.build({ ...options, plugins: [esbuildPlugin()] }), /expected outdir or outfile/)
})
