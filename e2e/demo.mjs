/** `npm run demo`: set up what is missing, then the demo. */

import { setup } from './setup.mjs'

const { chromium } = await setup({ chromium: true })
if (chromium) process.env.HARDPACK_CHROMIUM = chromium
await import('../dist/e2e/demo.js')
