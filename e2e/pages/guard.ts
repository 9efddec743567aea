/** The page of `guard.test.ts`: a package with a guard, opened in the browser, and its verdicts. */

import { type Action, type Model, open } from '../../sdk/index.ts'
import { wasm } from '../../targets/browser/wasm.ts'
import { webgpu } from '../../targets/browser/webgpu.ts'

const TARGETS = { wasm, webgpu }

export type PageTarget = keyof typeof TARGETS

/** What a test compares of a verdict; NaN as null. */
export interface PageVerdict {
  readonly action: Action
  readonly p: number | null
  readonly detectors: Readonly<Record<string, number>>
  readonly degraded: string | null
}

/** The verdicts of one batch, and which outputs came. */
export interface PageRun {
  readonly verdicts: readonly PageVerdict[]
  readonly outputs: readonly string[]
}

/** Runs batches of `[n, ...shape]`. */
export async function verdictsOf(
  model: Model,
  shape: readonly number[],
  batches: readonly Float32Array[],
): Promise<PageRun[]> {
  const [{ name }] = model.inputs
  const size = shape.reduce((a, b) => a * b, 1)
  const runs: PageRun[] = []
  for (const data of batches) {
    const tensor = { dtype: 'float32', shape: [data.length / size, ...shape], data } as const
    const { verdicts = [], outputs } = await model.run({ [name]: tensor })
    runs.push({
      verdicts: verdicts.map(({ action, p, reasons, degraded }) => ({
        action,
        p: Number.isNaN(p) ? null : p,
        detectors: Object.fromEntries(reasons.map((reason) => [reason.detector, reason.p])),
        degraded: degraded ?? null,
      })),
      outputs: Object.keys(outputs),
    })
  }
  return runs
}

const fetched = async (url: string): Promise<ArrayBuffer> => (await fetch(url)).arrayBuffer()

export const page = {
  /** Why a target cannot run here; `null` when it can. */
  async reason(name: PageTarget): Promise<string | null> {
    const { available, reason } = await TARGETS[name]().probe()
    return available ? null : (reason ?? 'not available')
  },

  async verdicts(
    name: PageTarget,
    url: string,
    shape: readonly number[],
    batches: readonly string[],
  ): Promise<PageRun[]> {
    const data = await Promise.all(batches.map(async (batch) => new Float32Array(await fetched(batch))))
    const model = await open(url, { targets: [TARGETS[name]()], trust: 'unsigned' })
    return verdictsOf(model, shape, data).finally(() => model.close())
  },
}

Object.assign(globalThis, { guard: page })
