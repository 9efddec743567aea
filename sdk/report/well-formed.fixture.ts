/** For tests: whether a report is well-formed. */

import assert from 'node:assert/strict'

/** Elements that have no end tag. */
const VOID = ['meta', 'img']

/** Fails unless every tag is closed, in order. */
export function assertBalanced(page: string): void {
  const open: string[] = []
  const body = page.replace(/<style>.*?<\/style>/s, '').replace('<!doctype html>', '')
  for (const [tag, end, name] of body.matchAll(/<(\/?)([a-z0-9]+)(?:\s+[a-zA-Z0-9:-]+="[^"<]*")*\s*\/?>/g)) {
    if (end) assert.equal(open.pop(), name, tag)
    else if (!VOID.includes(name) && !tag.endsWith('/>')) open.push(name)
  }
  assert.deepEqual(open, [])
  // Whatever is left with an angle bracket would be a tag that the pattern above does not know.
  assert.doesNotMatch(body.replace(/<\/?[a-z0-9]+(?:\s+[a-zA-Z0-9:-]+="[^"<]*")*\s*\/?>/g, ''), /[<>]/)
}
