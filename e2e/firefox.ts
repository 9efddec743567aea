/**
 * Headless Firefox on a page, as a second engine (SpiderMonkey). It is started with the page's address and no driver: the page
 * itself posts what it has to say.
 */

import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** No first-run page, no update, no report: nothing but the page is fetched. */
const PREFERENCES: Readonly<Record<string, string | boolean>> = {
  'app.normandy.enabled': false,
  'app.update.disabledForTesting': true,
  'browser.aboutwelcome.enabled': false,
  'browser.safebrowsing.malware.enabled': false,
  'browser.safebrowsing.phishing.enabled': false,
  'browser.shell.checkDefaultBrowser': false,
  'browser.startup.homepage_override.mstone': 'ignore',
  'browser.tabs.warnOnClose': false,
  'datareporting.policy.dataSubmissionEnabled': false,
  'extensions.getAddons.cache.enabled': false,
  'extensions.update.enabled': false,
  'network.captive-portal-service.enabled': false,
  'network.connectivity-service.enabled': false,
  'services.settings.server': 'data:,',
  'toolkit.telemetry.reportingpolicy.firstRun': false,
}

/** The Firefox to use: `HARDPACK_FIREFOX`, else Debian's; a sentence instead of a path when there is none. */
export function findFirefox(): { path: string } | { reason: string } {
  const path = process.env.HARDPACK_FIREFOX ?? '/usr/bin/firefox-esr'
  return existsSync(path) ? { path } : { reason: `no Firefox at ${path}: install it, or set HARDPACK_FIREFOX` }
}

/** A running browser. */
export interface Firefox {
  /** Rejects when the browser ends before it is closed. */
  readonly ended: Promise<never>
  close(): Promise<void>
}

/** Opens a page in a headless Firefox with a profile of its own. */
export async function openInFirefox(path: string, url: string): Promise<Firefox> {
  const profile = await mkdtemp(join(tmpdir(), 'hardpack-firefox-'))
  const lines = Object.entries(PREFERENCES).map(([name, value]) => `user_pref("${name}", ${JSON.stringify(value)});\n`)
  await writeFile(join(profile, 'user.js'), lines.join(''))
  const child = spawn(path, ['--headless', '--no-remote', '--profile', profile, url], {
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  let said = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said += text
  })
  const exited = new Promise<string>((resolve) => {
    child.once('error', (error) => resolve(error.message))
    child.once('close', (code, signal) => resolve(`${signal ?? `exit code ${code}`}\n${said}`))
  })
  const ended = exited.then((why) => {
    throw new Error(`Firefox ended: ${why}`)
  })
  ended.catch(() => {}) // Closing is an end as well.
  return {
    ended,
    async close() {
      child.kill()
      await exited
      await rm(profile, { recursive: true, force: true, maxRetries: 5 })
    },
  }
}
