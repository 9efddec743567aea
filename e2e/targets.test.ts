import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import type { Browser } from 'playwright-core'
import { hardpack } from '../sdk/bundler/esbuild.ts'
import { findChromium, launchChromium, type OpenPage, openPage } from '../sdk/cli/chromium.ts'
import { ISOLATION, type Served, STRICT_CSP, serve } from '../sdk/cli/static-server.ts'
import type { ContractResult } from '../targets/contract.ts'

const chromium = findChromium()
const skip = 'reason' in chromium ? chromium.reason : false

let browser: Browser
let root: string
let plain: Served
let isolated: Served
let page: OpenPage

const compiled = (name: string): string => fileURLToPath(new URL(`./pages/${name}.js`, import.meta.url))

before(async () => {
  if ('reason' in chromium) return
  root = await mkdtemp(join(tmpdir(), 'hardpack-'))
  await build({
    entryPoints: ['targets', 'faulty-worker', 'hung-worker'].map(compiled),
    outdir: root,
    bundle: true,
    format: 'esm',
    conditions: ['onnxruntime-web-use-extern-wasm'],
    plugins: [hardpack()],
  })
  await writeFile(join(root, 'index.html'), '<!doctype html><script type="module" src="targets.js"></script>')
  plain = await serve({ root, csp: STRICT_CSP })
  isolated = await serve({ root, csp: STRICT_CSP, headers: ISOLATION })
  browser = await launchChromium(chromium.path)
  page = await openPage(browser, plain.url)
})

after(async () => {
  await browser?.close()
  await plain?.close()
  await isolated?.close()
  if (root) await rm(root, { recursive: true })
})

type Check = (name: string, body: (t: { skip(reason?: string): void }) => void) => Promise<void>

async function report(check: Check, results: readonly ContractResult[]): Promise<void> {
  for (const { check: name, status, reason } of results) {
    await check(name, (t) => (status === 'skip' ? t.skip(reason) : assert.equal(status, 'pass', reason)))
  }
}

test('wasm in Chromium keeps the contract', { skip }, async (t) => {
  await report((name, body) => t.test(name, body), await page.call("e2e.contract('wasm')"))
})

test('wasm in Chromium keeps the contract with threads', { skip }, async (t) => {
  const { call } = await openPage(browser, isolated.url)
  assert.match((await call<{ device: string }>("e2e.probe('wasm')")).device, /\d+ threads$/)
  await report((name, body) => t.test(name, body), await call("e2e.contract('wasm')"))
})

test('webgpu in Chromium keeps the contract', { skip }, async (t) => {
  const skipped = (await page.call<boolean>('e2e.hasShaderF16()'))
    ? {}
    : { 'takes and gives float16 as bit patterns': 'the adapter has no shader-f16' }
  await report(
    (name, body) => t.test(name, body),
    await page.call(`e2e.contract('webgpu', ${JSON.stringify(skipped)})`),
  )
})

test('a worker ends with its last session, and the next session has one of its own', { skip }, async () => {
  for (const name of ['wasm', 'webgpu']) {
    if (!(await available(name))) continue
    assert.deepEqual(await page.call(`e2e.twice('${name}')`), [
      [4, 7],
      [4, 7],
    ])
    await workersGone()
  }
})

test('a lost device rejects every call with DEVICE_LOST, and a new session works', { skip }, async (t) => {
  if (!(await available('webgpu'))) return t.skip('no WebGPU adapter')
  const { codes, sum } = await page.call<{ codes: string[]; sum: number[] }>('e2e.lostDevice()')
  assert.deepEqual(codes, ['DEVICE_LOST', 'DEVICE_LOST', 'DEVICE_LOST'])
  assert.deepEqual(sum, [4, 7])
})

test('what is missing or hangs is a typed error', { skip }, async () => {
  const codes: Record<string, string> = {
    "'wasm', { assets: { worker: 'missing.js' } }": 'TARGET_UNAVAILABLE',
    "'wasm', { assets: { wasm: 'missing.wasm' } }": 'TARGET_UNAVAILABLE',
    "'webgpu', { assets: { mjs: 'missing.mjs' } }": 'TARGET_UNAVAILABLE',
    "'wasm', { assets: { worker: 'hung-worker.js' }, createTimeoutMs: 1000 }": 'TIMEOUT',
  }
  for (const [options, code] of Object.entries(codes)) assert.equal(await page.call(`e2e.refusal(${options})`), code)
  await workersGone()
})

test('where WebGPU or its adapter is absent, the probe says so', { skip }, async () => {
  const probes = await page.call<{ available: boolean; reason?: string }[]>('e2e.absentAdapters()')
  assert.deepEqual(
    probes.map(({ available }) => available),
    [false, false],
  )
  for (const { reason } of probes) assert.match(reason ?? '', /WebGPU/)
})

test('threads whose script comes without COEP are not waited for', { skip }, async () => {
  const served = await serve({
    root,
    csp: STRICT_CSP,
    headers: (path) => (path.endsWith('.mjs') ? { 'cross-origin-resource-policy': 'same-origin' } : ISOLATION),
  })
  try {
    const { call } = await openPage(browser, served.url)
    const { sum, reason } = await call<{ sum: number[]; reason: string }>('e2e.withoutThreads()')
    assert.deepEqual(sum, [4, 7])
    assert.match(reason, /one thread, .*without Cross-Origin-Embedder-Policy/)
  } finally {
    await served.close()
  }
})

test('none of this violated the Content-Security-Policy', { skip }, () => {
  assert.deepEqual([...plain.violations, ...isolated.violations], [])
})

async function available(name: string): Promise<boolean> {
  return (await page.call<{ available: boolean }>(`e2e.probe('${name}')`)).available
}

/** Chromium reports the end of a worker a moment after it. */
async function workersGone(): Promise<void> {
  await Promise.all(page.page.workers().map((worker) => worker.waitForEvent('close', { timeout: 20_000 })))
}
