/**
 * A browser's targets as targets of Node: sessions live in a page of headless Chromium, and runs are calls into it. So what
 * works on any target, such as calibrating a guard, works on WebGPU as well.
 */

import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Feeds, Graph, Session, SessionOptions, Target } from '../../targets/types.ts'
import { HardpackError, messageOf, throwIfAborted } from '../core/index.ts'
import type { OpenPage } from './chromium.ts'
import { STRICT_CSP, serve } from './static-server.ts'
import type { Answer, BrowserTargetName, SessionInfo } from './target-page.ts'
import { fromWire, mapped, toWire, type WireTensor } from './wire-tensor.ts'

const PAGE =
  '<!doctype html><meta charset="utf-8"><title>hardpack targets</title><script type="module" src="target-page.js"></script>'

export interface ChromiumTargets {
  readonly targets: readonly Target[]
  close(): Promise<void>
}

/**
 * Starts headless Chromium with targets in it.
 *
 * @throws HardpackError `TARGET_UNAVAILABLE` where there is no Chromium, or playwright-core or esbuild is not installed.
 * @example
 * const { targets, close } = await chromiumTargets(['webgpu'])
 */
export async function chromiumTargets(names: readonly BrowserTargetName[]): Promise<ChromiumTargets> {
  // Optional peers, and slow to load: only who asks for a browser needs them.
  const [{ findChromium, launchChromium, openPage }, { build }, { hardpack }] = await Promise.all([
    import('./chromium.ts'),
    import('esbuild'),
    import('../bundler/esbuild.ts'),
  ]).catch((error) => {
    throw new HardpackError(
      'TARGET_UNAVAILABLE',
      `A browser's target expected playwright-core and esbuild, got: ${messageOf(error)}.`,
      { hint: 'Install both.', cause: error },
    )
  })
  const chromium = findChromium()
  if ('reason' in chromium) {
    throw new HardpackError('TARGET_UNAVAILABLE', `A browser's target expected Chromium, got ${chromium.reason}.`)
  }
  const folder = await mkdtemp(join(tmpdir(), 'hardpack-'))
  const closers: (() => Promise<unknown>)[] = [() => rm(folder, { recursive: true, force: true })]
  const close = async (): Promise<void> => {
    for (const end of closers.splice(0)) await end().catch(() => {}) // What is left must be closed too.
  }
  try {
    await build({
      entryPoints: [fileURLToPath(new URL('target-page.js', import.meta.url))],
      outdir: folder,
      bundle: true,
      format: 'esm',
      logLevel: 'silent',
      plugins: [hardpack()],
    })
    await writeFile(join(folder, 'index.html'), PAGE)
    const served = await serve({ root: folder, csp: STRICT_CSP })
    closers.unshift(() => served.close())
    const browser = await launchChromium(chromium.path)
    closers.unshift(() => browser.close())
    const { call } = await openPage(browser, served.url)
    return { targets: names.map((name) => new ChromiumTarget(name, call, folder)), close }
  } catch (error) {
    await close()
    throw error
  }
}

/** A JSON text is an expression of JavaScript. */
const written = (...values: unknown[]): string => values.map((value) => JSON.stringify(value) ?? 'undefined').join(', ')

class ChromiumTarget implements Target {
  readonly name: BrowserTargetName
  readonly #call: OpenPage['call']
  readonly #folder: string
  #next = 0

  constructor(name: BrowserTargetName, call: OpenPage['call'], folder: string) {
    this.name = name
    this.#call = call
    this.#folder = folder
  }

  probe() {
    return this.#ask<Awaited<ReturnType<Target['probe']>>>('probe', this.name)
  }

  async create({ model, externalData = [] }: Graph, { optimization, signal }: SessionOptions = {}): Promise<Session> {
    throwIfAborted(signal)
    const url = await this.#file(model)
    const external = await Promise.all(
      externalData.map(async ({ path, data }) => ({ path, url: await this.#file(data) })),
    )
    const { id, inputs, outputs } = await this.#ask<SessionInfo>('create', this.name, url, external, optimization)
    let open = true
    return {
      inputs,
      outputs,
      run: async (feeds: Feeds, { outputs: wanted, signal } = {}) => {
        throwIfAborted(signal)
        const results = await this.#ask<Record<string, WireTensor>>('run', id, mapped(feeds, toWire), wanted)
        return mapped(results, fromWire)
      },
      close: async () => {
        if (!open) return
        open = false
        await this.#ask<undefined>('close', id)
      },
    }
  }

  /** Puts bytes where the page can fetch them. */
  async #file(bytes: Uint8Array): Promise<string> {
    const name = `${this.name}-${this.#next++}.bin`
    await writeFile(join(this.#folder, name), bytes)
    return name
  }

  async #ask<T>(method: string, ...given: unknown[]): Promise<T> {
    const answer = await this.#call<Answer<T>>(`hardpackTargets.${method}(${written(...given)})`)
    if ('code' in answer) throw new HardpackError(answer.code, answer.message)
    return answer.value
  }
}
