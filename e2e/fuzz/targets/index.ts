/** The targets by name. A new one is a module beside this one and a line here. */

import { chunkSeeds, coderSeeds, tableSeeds } from './seeds.ts'

export interface TargetEntry {
  /** The compiled module, which exports a `FuzzTarget` as `target`. */
  readonly module: URL
  seeds(): Uint8Array[]
}

export const TARGETS: Readonly<Record<string, TargetEntry>> = {
  tables: { module: new URL('tables.js', import.meta.url), seeds: tableSeeds },
  coder: { module: new URL('coder.js', import.meta.url), seeds: coderSeeds },
  chunks: { module: new URL('chunks.js', import.meta.url), seeds: chunkSeeds },
}

/** Modules whose counters guide the fuzzer. */
export const INSTRUMENTED = /[/\\]dist[/\\]compress[/\\]/
