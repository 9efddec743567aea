/** `hardpack inspect model.hpk` */

import { fileSource } from '../pack/file.ts'
import { type InspectedGuard, type Inspection, inspect } from '../pack/inspect.ts'
import { BASE_HELP, BASE_OPTION, withBase } from './base.ts'
import { type Command, count, type Io, onlyFile } from './command.ts'
import { tensorTable } from './tensor-table.ts'

/** Brotli takes about two seconds for this much, which is as long as anyone waits for a listing. */
const QUICK = 1 << 20

export const inspectCommand: Command = {
  summary: 'show what a package holds and where its bytes go',
  usage: '<model.hpk> [--base base.hpk] [--peers] [--all]',
  help: [
    BASE_HELP,
    '--peers   measure the gain over brotli -11 of large weights too: about two seconds a megabyte',
    '--all     list every tensor; otherwise the 20 largest, and the others in one line',
  ],
  options: { ...BASE_OPTION, peers: { type: 'boolean' }, all: { type: 'boolean' } },
  async run(args, io) {
    const source = await fileSource(onlyFile(args, 'package'))
    const it = await withBase(args, (base) =>
      inspect(source, {
        trust: 'unsigned',
        base,
        baselines: true,
        brotliLimit: args.values.peers ? undefined : QUICK,
        signal: io.signal,
        onProgress: io.onProgress,
      }),
    ).finally(() => source.close())
    if (io.json) io.out(JSON.stringify(it))
    else print(it, args.values.all === true, io)
    return 0
  },
}

function print(it: Inspection, all: boolean, io: Io): void {
  const { raw, packed, sections } = it.bytes
  io.out(
    `${it.name} (release ${it.release}${it.license ? `, ${it.license}` : ''}), ${it.format}, written by ${it.generator}`,
  )
  io.out(
    `${count(raw)} → ${count(packed)} bytes: weights ${count(sections.weights)}, graphs ${count(sections.graphs)}, container ${count(sections.container)}`,
  )
  io.out(`signature: ${it.signature.signed ? it.signature.verifiedKeys.join(', ') : 'none'}`)
  if (it.base) io.out(`base: ${it.base.name} (release ${it.base.release}), manifest ${it.base.manifestSha256}`)
  for (const [kind, values] of [
    ['input', it.inputs],
    ['output', it.outputs],
  ] as const) {
    for (const { name, dtype, shape } of values) io.out(`${kind} ${name}: ${dtype} [${shape.join(', ')}]`)
  }
  if (it.guard) printGuard(it.guard, io)
  const own = it.guard?.tensors ?? []
  if (it.tensors.length + own.length === 0) return
  if (it.tensors.length > 0) {
    io.out('')
    io.out(tensorTable(it.tensors, it.weights, all))
  }
  if (it.guard && own.length > 0) {
    io.out('\nof the guard:')
    io.out(tensorTable(own, it.guard.weights, all))
  }
  io.out('')
  io.out('bits: of a packed weight; over: gain, how much smaller than what that coder makes of the same tensor')
  io.out('order-0: an ideal code without its tables; of floats, it codes the exponents only')
  if (it.base && it.weights.orderZeroBytes === undefined)
    io.note('The gains take the weights: give the base with --base.')
  else if (it.weights.brotliBytes === undefined) {
    const seconds = Math.ceil((2 * it.weights.rawBytes) / QUICK)
    io.note(`The gain over brotli -11 takes about ${seconds} s for this model: --peers measures it.`)
  }
}

function printGuard({ detectors, tiers, calibrations, policy, room }: InspectedGuard, io: Io): void {
  for (const { name, tier, parameters } of detectors) {
    const { low, high } = tiers[tier]
    const when =
      tier === 0 ? '' : low === 0 && high === 1 ? ', a pass of its own' : `, a pass where p is ${low} to ${high}`
    const how = Object.entries(parameters).map(([key, value]) => `${key} ${value}`)
    io.out(`detector ${name}${when}${how.length > 0 ? `: ${how.join(', ')}` : ''}`)
  }
  for (const { targets, samples } of calibrations) {
    io.out(`calibrated on ${targets.join(', ')}: p-values from ${count(samples)} clean samples`)
  }
  const { flag, reject, confidence, combination, withhold } = policy
  const sure = confidence > 0 ? ` at confidence ${confidence}` : ''
  io.out(
    `policy: flag ${flag}, reject ${reject}${sure}, combined by ${combination}, outputs withheld from: ${withhold}`,
  )
  if (room > 0) io.out(`room for classes: ${room}`)
}
