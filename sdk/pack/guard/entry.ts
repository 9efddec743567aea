/** The guard in a package: its reference outputs, its tables as bytes, its entry in the manifest. */

import type { ChunkRange, GuardEntry, GuardTable } from '../../container/manifest.ts'
import { equal, HardpackError, type TypedArray } from '../../core/index.ts'
import { ROOM_FEATURES, ROOM_INPUTS, roomTensors } from '../../run/guard/room.ts'
import type { GraphFile } from '../graphs.ts'
import { type Reference, type ReferenceOptions, takeReference } from '../reference.ts'
import type { Guard } from './make.ts'

/**
 * The reference outputs of the guard's graphs.
 *
 * @param reference of the model without its guard, which the first graph must give as well
 * @throws HardpackError as `takeReference` does; `REFERENCE_MISMATCH` when the guard changes an output.
 */
export async function guardReferences(
  graphs: readonly GraphFile[],
  reference: Reference,
  options: ReferenceOptions,
): Promise<Reference[]> {
  const references: Reference[] = []
  for (const [index, { file, inputs }] of graphs.entries()) {
    const own = index === 0 ? { ...options, seeded: Object.values(ROOM_INPUTS) } : { ...options, golden: undefined }
    references.push(await takeReference({ model: file }, inputs, own))
  }
  for (const [index, { outputs }] of reference.cases.entries()) {
    for (const { name, values } of outputs) {
      const guarded = references[0].cases[index]?.outputs.find((output) => output.name === name)
      if (guarded && equal(bytesUnder(guarded.values), bytesUnder(values))) continue
      throw new HardpackError(
        'REFERENCE_MISMATCH',
        `The guard expected to leave output "${name}" as it is, got another.`,
        {
          hint: 'This is a fault of hardpack: please report the model.',
        },
      )
    }
  }
  return references
}

const bytesUnder = ({ buffer, byteOffset, byteLength }: TypedArray): Uint8Array =>
  new Uint8Array(buffer, byteOffset, byteLength)

/** The bytes of all tables, and of the detector that may learn, in the order in which `guardEntry` takes their places. */
export function tableParts({ calibrations, room }: Guard): Uint8Array[] {
  const tables = calibrations.flatMap(({ tables, combined }) => [...tables, combined])
  const tensors = room ? Object.values(roomTensors(room.detector)).map(({ data }) => data) : []
  return [...tables, ...tensors].map(bytesUnder)
}

/** The entry of the manifest. */
export function guardEntry(
  { entry, calibrations, room }: Guard,
  places: readonly (readonly ChunkRange[])[],
): GuardEntry {
  let next = 0
  const placed = ({ length }: Float32Array): GuardTable => ({ count: length, ranges: places[next++] })
  return {
    ...entry,
    calibrations: calibrations.map(({ targets, tables, combined }) => ({
      targets,
      tables: tables.map(placed),
      combined: placed(combined),
    })),
    room: room && {
      detector: room.index,
      features: ROOM_FEATURES,
      room: room.extra,
      classes: room.detector.classes,
      counts: room.detector.counts,
      restPrecision: room.detector.restPrecision,
      normalised: room.detector.normalised,
      tensors: Object.entries(roomTensors(room.detector)).map(([name, { dtype, shape }]) => ({
        name,
        dtype,
        shape,
        ranges: places[next++],
      })),
    },
  }
}
