/** Workers of a page for a pool. */

import { ASSETS } from './assets.ts'
import type { Workers } from './pool.ts'

export const browserWorkers: Workers = {
  cores: () => globalThis.navigator?.hardwareConcurrency ?? 1,
  start({ onAnswer, onLost }) {
    const worker = new Worker(ASSETS.decoder, { type: 'module', name: 'hardpack-decode' })
    worker.addEventListener('message', ({ data }) => onAnswer(data))
    worker.addEventListener('messageerror', onLost)
    worker.addEventListener('error', (event) => {
      event.preventDefault() // Else the page reports it as an uncaught error.
      onLost()
    })
    return worker
  },
}
