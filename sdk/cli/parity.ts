/** `hardpack parity model.hpk` */

import { node } from '../../targets/node.ts'
import { bytesSource } from '../core/index.ts'
import { parity, type TargetParity } from '../open/parity.ts'
import { readWhole } from '../pack/file.ts'
import { BASE_HELP, BASE_OPTION } from './base.ts'
import { inChromium } from './browser-parity.ts'
import { type Command, onlyFile, table, text, UsageError } from './command.ts'

const ALL = ['node', 'wasm', 'webgpu'] as const

export const parityCommand: Command = {
  summary: 'run the golden inputs on every target and compare with the reference',
  usage: '<model.hpk> [--targets node,wasm,webgpu] [--base base.hpk]',
  help: [
    '--targets LIST   which targets; default: all; one that is not here is no failure, unless none is. wasm and webgpu run in headless Chromium (HARDPACK_CHROMIUM says where)',
    BASE_HELP,
  ],
  options: { targets: { type: 'string' }, ...BASE_OPTION },
  async run(args, io) {
    const path = onlyFile(args, 'package')
    const wanted = (text(args, 'targets') ?? ALL.join(',')).split(',')
    const unknown = wanted.find((name) => !(ALL as readonly string[]).includes(name))
    if (unknown !== undefined) throw new UsageError(`--targets expected some of ${ALL.join(', ')}, got "${unknown}".`)
    const file = await readWhole(path)
    const basePath = text(args, 'base')
    const baseFile = basePath === undefined ? undefined : await readWhole(basePath)
    const base = baseFile && bytesSource(baseFile)
    const options = { trust: 'unsigned', base, signal: io.signal, onProgress: io.onProgress } as const
    const inNode = wanted.includes('node') ? [node()] : []
    const rows = await parity(bytesSource(file), inNode, options)
    const browserTargets = (['wasm', 'webgpu'] as const).filter((name) => wanted.includes(name))
    if (browserTargets.length > 0) rows.push(...(await inChromium({ file, base: baseFile }, io, browserTargets)))
    if (io.json) io.out(JSON.stringify({ targets: rows }))
    else io.out(parityTable(rows))
    const present = rows.filter(({ available }) => available)
    return present.length > 0 && present.every(({ withinTolerance }) => withinTolerance) ? 0 : 1
  },
}

/** The rows as a table for people. */
export function parityTable(rows: readonly TargetParity[]): string {
  const head = ['target', 'answer', 'max |diff|', 'ms', 'level', 'remark']
  return table(
    [
      head,
      ...rows.map(({ target, available, withinTolerance, maxAbsDiff, latencyMs, optimization, reason, device }) => [
        target,
        !available ? 'not here' : withinTolerance ? 'same' : 'DIFFERENT',
        maxAbsDiff === null ? '–' : maxAbsDiff.toExponential(1),
        latencyMs === null ? '–' : latencyMs.toFixed(2),
        optimization ?? '–',
        [reason, device].filter(Boolean).join('; '),
      ]),
    ],
    [2, 3],
  )
}
