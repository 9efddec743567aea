/**
 * A real browser for `hardpack parity`, `hardpack doctor` and the tests: headless Chromium and a call into the page. Nothing
 * here evaluates code in the page by `eval`, so a strict Content-Security-Policy stays strict.
 */

import { existsSync } from 'node:fs'
import { type Browser, chromium, type Page } from 'playwright-core'

/** The Chromium to use: `HARDPACK_CHROMIUM`, else Debian's; a sentence instead of a path when there is none. */
export function findChromium(): { path: string } | { reason: string } {
  const path = process.env.HARDPACK_CHROMIUM ?? '/usr/bin/chromium'
  return existsSync(path) ? { path } : { reason: `no Chromium at ${path}: install it, or set HARDPACK_CHROMIUM` }
}

/** Headless Chromium with WebGPU, on a software adapter where there is no GPU. */
export async function launchChromium(path: string): Promise<Browser> {
  // Chromium refuses to run as root with its sandbox on.
  const sandbox = process.getuid?.() === 0 ? ['--no-sandbox'] : []
  return chromium.launch({
    executablePath: path,
    chromiumSandbox: sandbox.length === 0,
    args: [...sandbox, '--enable-unsafe-webgpu', '--disable-background-networking', '--no-first-run'],
  })
}

export interface OpenPage {
  readonly page: Page
  /** Console messages and uncaught errors. */
  readonly messages: readonly string[]
  /** Evaluates an expression over the page's globals, awaits it, and gives its JSON value. */
  call<T>(expression: string): Promise<T>
}

/** Opens a page and waits for its `load` event. */
export async function openPage(browser: Browser, url: string): Promise<OpenPage> {
  const context = await browser.newContext()
  const page = await context.newPage()
  const messages: string[] = []
  page.on('console', (message) => messages.push(`${message.type()}: ${message.text()}`))
  page.on('pageerror', (error) => messages.push(`uncaught: ${error.message}`))
  const protocol = await context.newCDPSession(page)
  await page.goto(url)
  return {
    page,
    messages,
    async call<T>(expression: string): Promise<T> {
      const { result, exceptionDetails } = await protocol.send('Runtime.evaluate', {
        expression,
        awaitPromise: true,
        returnByValue: true,
      })
      if (exceptionDetails) {
        throw new Error(`${exceptionDetails.exception?.description ?? exceptionDetails.text}\n${messages.join('\n')}`)
      }
      return result.value as T
    },
  }
}
