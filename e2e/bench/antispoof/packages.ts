/** The two packages of `bench:antispoof`: the face detector as it is, the classifier with a guard made on crops of the genuine photos. */

import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type ChromiumTargets, chromiumTargets } from '../../../sdk/cli/chromium-target.ts'
import { HardpackError } from '../../../sdk/core/index.ts'
import { open } from '../../../sdk/node.ts'
import type { DetectorChoice } from '../../../sdk/pack/guard/choice.ts'
import { pack } from '../../../sdk/pack/index.ts'
import { node } from '../../../targets/node.ts'
import type { Target } from '../../../targets/types.ts'
import { wasm } from '../../../targets/wasm-node.ts'
import { findFace } from './chain.ts'
import { jitteredCrops, type Photo } from './photos.ts'
import type { Packages } from './runs.ts'

export const DETECTOR = 'ultraface-rfb-320'
export const CLASSIFIER = 'antispoof-minifas-fp32'
export const GUARD: readonly DetectorChoice[] = [{ kind: 'max-softmax' }, { kind: 'mahalanobis' }, { kind: 'hyp-oc' }]
export const CROPS = { fit: 300, calibrate: 400 }

/** The side of the classifier's input. */
const SIDE = 128

const modelOf = (folder: string, name: string): Promise<Uint8Array> => readFile(join(folder, 'models', `${name}.onnx`))

/** Packs both; says on `note` what it is about. */
export async function makePackages(
  folder: string,
  photos: readonly Photo[],
  note: (line: string) => void,
): Promise<Packages> {
  note(`packing ${DETECTOR} …`)
  const { bytes: detector } = await pack(await modelOf(folder, DETECTOR), { name: DETECTOR, effort: 'fast' })
  const genuine = await facesOf(
    detector,
    photos.filter(({ attack }) => attack === undefined),
  )
  const guard = {
    fit: jitteredCrops(genuine, CROPS.fit, 1, SIDE),
    calibrate: jitteredCrops(genuine, CROPS.calibrate, 2, SIDE),
    detectors: GUARD,
  }
  const browser = await browserTargets()
  try {
    const targets = [node({ threads: 1 }), wasm(), ...(await fastEnough(browser?.targets ?? []))]
    note(`packing ${CLASSIFIER} with its guard, calibrated on ${targets.map(({ name }) => name).join(', ')} …`)
    const { bytes: classifier } = await pack(await modelOf(folder, CLASSIFIER), {
      name: CLASSIFIER,
      effort: 'fast',
      guard: { ...guard, targets },
    })
    return { detector, classifier }
  } finally {
    await browser?.close()
  }
}

async function facesOf(detector: Uint8Array, photos: readonly Photo[]) {
  const model = await open(detector, { targets: [node({ threads: 1 })], trust: 'unsigned' })
  try {
    return await Promise.all(
      photos.map(async ({ file, pixels }) => {
        const face = await findFace(model, pixels)
        if (!face) throw new Error(`no face found in ${file}`)
        return { pixels, box: face.box }
      }),
    )
  } finally {
    await model.close()
  }
}

/** WebGPU in Chromium; its WebAssembly is that of Node. */
async function browserTargets(): Promise<ChromiumTargets | undefined> {
  try {
    return await chromiumTargets(['webgpu'])
  } catch (error) {
    if (error instanceof HardpackError && error.code === 'TARGET_UNAVAILABLE') return undefined
    throw error
  }
}

/** Targets with hardware below them: a software adapter takes seconds a crop. */
async function fastEnough(targets: readonly Target[]): Promise<Target[]> {
  const probes = await Promise.all(targets.map((target) => target.probe()))
  return targets.filter((_, i) => probes[i].available && !/software/.test(probes[i].reason ?? ''))
}
