/** `hardpack doctor`: what this machine can do, and what to do about what it cannot. */

import { wasmDecoder } from '../../compress/decode.ts'
import { node } from '../../targets/node.ts'
import { wasm } from '../../targets/wasm-node.ts'
import { messageOf } from '../core/index.ts'
import { inChromium } from './browser-parity.ts'
import { type Command, table } from './command.ts'

interface Check {
  readonly name: string
  readonly ok: boolean
  readonly detail: string
}

export const doctorCommand: Command = {
  summary: 'say what works on this machine: runtimes, decoder, browser, WebGPU',
  usage: '',
  help: [],
  options: {},
  async run(_, io) {
    const checks: Check[] = [
      { name: 'Node.js', ok: Number(process.versions.node.split('.')[0]) >= 20, detail: process.version },
    ]
    for (const target of [node(), wasm()]) {
      const { available, reason, device } = await target.probe({ signal: io.signal })
      checks.push({ name: `target ${target.name}`, ok: available, detail: [device, reason].filter(Boolean).join('; ') })
    }
    checks.push(
      await wasmDecoder().then(
        (decoder) => ({ name: 'weight decoder', ok: true, detail: decoder.name }),
        (error) => ({ name: 'weight decoder', ok: false, detail: `TypeScript only: ${messageOf(error)}` }),
      ),
    )
    for (const { target, available, reason, device } of await inChromium(undefined, io)) {
      checks.push({ name: `${target} in Chromium`, ok: available, detail: [device, reason].filter(Boolean).join('; ') })
    }
    if (io.json) io.out(JSON.stringify({ checks }))
    else io.out(table(checks.map(({ name, ok, detail }) => [ok ? 'yes' : 'no', name, detail])))
    return checks.every(({ ok }) => ok) ? 0 : 1
  },
}
