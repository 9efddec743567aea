/**
 * The package as a user gets it: `npm pack`, the tarball in an empty project that has nothing but what package.json
 * declares, and there the command, the library and its types. The registry is not asked: the dependencies are those of
 * this checkout.
 */

import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { readDigits } from './models/digits.ts'

const REPOSITORY = fileURLToPath(new URL('../..', import.meta.url))
const MODEL = join(REPOSITORY, 'e2e', 'models', 'mnist-cnn.onnx')
const DEPENDENCIES = ['@noble/ed25519', 'd3-scale', 'd3-shape', 'fflate', 'jpeg-js', 'ml-matrix', 'pngjs', 'protobufjs']

const run = promisify(execFile)
const npm = process.env.npm_execpath?.endsWith('npm-cli.js') ? process.env.npm_execpath : undefined
/** npm or npx, the one that runs this test where there is one. */
const npmRun = (program: 'npm' | 'npx', args: string[], cwd: string) =>
  npm
    ? run(process.execPath, [join(dirname(npm), `${program}-cli.js`), ...args], { cwd })
    : run(program, args, { cwd, shell: process.platform === 'win32' })

interface Tarball {
  readonly filename: string
  readonly size: number
  readonly unpackedSize: number
  readonly files: readonly { readonly path: string }[]
}

let folder = ''
let project = ''
let installed = ''
let tarball: Tarball
let manifest: {
  bin: Record<string, string>
  exports: Record<string, string | Record<string, string>>
  dependencies: Record<string, string>
  peerDependenciesMeta: Record<string, { optional: boolean }>
  peerDependencies: Record<string, string>
  scripts?: Record<string, string>
}

/** Makes a package of this checkout resolvable in the project, at its place in node_modules. */
async function provide(name: string): Promise<void> {
  const path = join(project, 'node_modules', name)
  await mkdir(dirname(path), { recursive: true })
  await symlink(join(REPOSITORY, 'node_modules', name), path, 'junction')
}

/** Runs the installed command in the project. */
const hardpack = (...args: string[]) =>
  run(process.execPath, [join(installed, manifest.bin.hardpack), ...args], { cwd: project })

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hardpack-'))
  project = join(folder, 'project')
  installed = join(project, 'node_modules', 'hardpack')
  await mkdir(installed, { recursive: true })
  await writeFile(join(project, 'package.json'), '{"name": "project", "version": "1.0.0", "type": "module"}')
  const { stdout } = await npmRun(
    'npm',
    ['pack', '--json', '--ignore-scripts', '--pack-destination', folder],
    REPOSITORY,
  )
  tarball = JSON.parse(stdout)[0]
  await run('tar', ['-xzf', join(folder, tarball.filename), '-C', installed, '--strip-components', '1'])
  manifest = JSON.parse(await readFile(join(installed, 'package.json'), 'utf8'))
  const command = join(installed, manifest.bin.hardpack)
  await chmod(command, 0o755)
  await mkdir(join(project, 'node_modules', '.bin'))
  await symlink(command, join(project, 'node_modules', '.bin', 'hardpack'))
  for (const name of Object.keys(manifest.dependencies)) await provide(name)
})

after(() => rm(folder, { recursive: true, force: true }))

const exportTargets = (): string[] =>
  Object.values(manifest.exports).flatMap((target) => (typeof target === 'string' ? [target] : Object.values(target)))

test('the tarball holds what package.json points to, with types, and nothing of the workshop', (t) => {
  const files = new Set(tarball.files.map(({ path }) => path))
  t.diagnostic(`${tarball.filename}: ${tarball.size} bytes, ${tarball.unpackedSize} unpacked, ${files.size} files`)
  for (const target of [...exportTargets(), ...Object.values(manifest.bin)].map((path) => path.replace(/^\.\//, ''))) {
    assert.ok(files.has(target), `the tarball has no ${target}`)
    if (target.endsWith('.js')) assert.ok(files.has(target.replace(/\.js$/, '.d.ts')), `${target} has no types`)
  }
  for (const file of ['README.md', 'LICENSE', 'CHANGELOG.md', 'sdk/docs/format.md', 'sdk/container/manifest.proto'])
    assert.ok(files.has(file), file)
  const unwanted = [...files].filter(
    (file) =>
      /(?<!\.d)\.ts$|\.test\.|\.fixture\.|\.map$|tsbuildinfo|^dist\/e2e\/|sample-models|\.onnx$/.test(file) ||
      !/^(dist|sdk\/docs)\/|^sdk\/container\/manifest\.proto$|^[^/]+$/.test(file),
  )
  assert.deepEqual(unwanted, [])
})

test('eight dependencies, peers that are all optional, and no script that runs on install', () => {
  assert.deepEqual(Object.keys(manifest.dependencies).sort(), DEPENDENCIES)
  assert.deepEqual(
    Object.keys(manifest.peerDependencies).filter((name) => !manifest.peerDependenciesMeta[name]?.optional),
    [],
  )
  const onInstall = ['preinstall', 'install', 'postinstall', 'prepare', 'preprepare', 'postprepare']
  assert.deepEqual(
    onInstall.filter((name) => manifest.scripts?.[name]),
    [],
  )
})

test('without any runtime installed: help and entries work, and run says what to install', async () => {
  const { stdout } = await npmRun('npx', ['--no-install', 'hardpack', '--help'], project)
  assert.match(stdout, /^usage: hardpack <command>/)
  const nodeEntries = ['', '/pack', '/compress', '/compress/decode', '/detectors', '/targets/node', '/targets/wasm']
  const rest = ['/testing', '/compress/webgpu', '/targets/webgpu', '/esbuild', '/vite']
  const script = [...nodeEntries, ...rest].map((entry) => `await import('hardpack${entry}')`).join('\n')
  await run(process.execPath, ['--input-type=module', '-e', script], { cwd: project })
  await assert.rejects(hardpack('pack', MODEL, '-o', 'never.hpk'), (error: { code: number; stderr: string }) => {
    assert.equal(error.code, 1)
    assert.match(
      error.stderr,
      /expected the package onnxruntime-node, got none installed\. Run `npm install onnxruntime-node`\./,
    )
    return true
  })
  assert.ok(!(await readdir(project)).includes('never.hpk'))
})

test('with onnxruntime: pack, verify, and a digit through the library', async () => {
  for (const name of ['onnxruntime-node', 'onnxruntime-web']) await provide(name)
  await hardpack('keygen', '-o', 'release')
  await hardpack('pack', MODEL, '-o', 'digits.hpk', '--key', 'release.secret')
  const { stdout: verified } = await hardpack('verify', 'digits.hpk', '--key', 'release.public', '--json')
  assert.equal(JSON.parse(verified).valid, true)
  const packed = (await stat(join(project, 'digits.hpk'))).size
  assert.ok(packed < (await stat(MODEL)).size)

  const { images, labels } = readDigits(1)
  await writeFile(join(project, 'digit.json'), JSON.stringify([...images]))
  const app = `
    import { readFile } from 'node:fs/promises'
    import { open } from 'hardpack'
    import { node } from 'hardpack/targets/node'

    const key = (await readFile('release.public', 'utf8')).trim()
    const image = Float32Array.from(JSON.parse(await readFile('digit.json', 'utf8')))
    const model = await open('digits.hpk', { targets: [node()], trustedKeys: [key] })
    const { outputs } = await model.run({ image })
    const logits = outputs.logits.data
    console.log(JSON.stringify({ digit: logits.indexOf(Math.max(...logits)), target: model.report().target }))
    await model.close()
  `
  await writeFile(join(project, 'app.js'), app)
  const { stdout, stderr } = await run(process.execPath, ['app.js'], { cwd: project })
  assert.deepEqual(JSON.parse(stdout), { digit: labels[0], target: 'node' })
  assert.equal(stderr, '', 'the library prints nothing')
})

test('the types are there, and strict', async () => {
  await provide('@types/node')
  const app = `
    import { type Model, open, type Tensor } from 'hardpack'
    import { bytesSource, pack, type PackResult, verify } from 'hardpack/pack'
    import { node } from 'hardpack/targets/node'
    import { wasm } from 'hardpack/targets/wasm'
    import { webgpu } from 'hardpack/targets/webgpu'

    export async function answer(image: Float32Array): Promise<Tensor> {
      const model: Model = await open('digits.hpk', { targets: [webgpu(), wasm(), node()], trust: 'unsigned' })
      const { outputs } = await model.run({ image })
      return outputs.logits
    }
    export const packed: Promise<PackResult> = pack(new Uint8Array(), { name: 'x' })
    export const verified = verify(bytesSource(new Uint8Array()))
    // @ts-expect-error: targets are not strings
    export const wrongTarget = open('digits.hpk', { targets: ['node'] })
    // @ts-expect-error: a model is no number
    export const wrongType: Promise<number> = open('digits.hpk', { targets: [node()] })
    // @ts-expect-error: a name is needed
    export const nameless = pack(new Uint8Array(), {})
  `
  await writeFile(join(project, 'app.ts'), app)
  const compiler = join(REPOSITORY, 'node_modules', 'typescript', 'bin', 'tsc')
  const flags = '--noEmit --strict --module nodenext --target es2022 --lib es2023,dom --types node --skipLibCheck false'
  const { stdout } = await run(process.execPath, [compiler, ...flags.split(' '), 'app.ts'], { cwd: project }).catch(
    (error: { stdout: string }) => error,
  )
  assert.equal(stdout, '')
})
