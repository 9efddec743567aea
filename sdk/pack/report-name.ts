/** Names of tensors as a manifest takes them. */

import { DEFAULT_LIMITS } from '../container/limits.ts'

/** A tensor's name: printable, at most 256 bytes. For reports; the skeleton keeps the name itself. */
export function reportName(name: string): string {
  const printable = name.replace(/\p{Cc}/gu, ' ')
  const { read } = new TextEncoder().encodeInto(printable, new Uint8Array(DEFAULT_LIMITS.nameBytes))
  return printable.slice(0, read)
}
