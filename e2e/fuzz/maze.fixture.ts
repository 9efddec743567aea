/** A target with faults at the end of corridors: blind changes do not find them, those that counters guide do. */

import type { FuzzTarget } from './target.ts'

const WAY = 'hpk!'

/** How many letters of the way an input begins with: each is a branch of its own. */
function depth(input: Uint8Array): number {
  let at = 0
  while (at < WAY.length && input[at] === WAY.charCodeAt(at)) at++
  return at
}

export const target: FuzzTarget = {
  maxLength: 64,
  maxAllocated: 1 << 20,
  run(input) {
    if (depth(input) < WAY.length) return
    if (input[4] === 0x68) while (input.length > 0);
    if (input[4] === 0x6d) new Uint8Array(1 << 21).fill(1)
    if (input[4] === 0x21) throw new TypeError('the end of the maze')
  },
}
