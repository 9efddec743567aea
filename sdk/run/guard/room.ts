/** Classes that a device adds: the detector of a package that has room for them, and what it feeds to the first pass. */

import type { Mahalanobis } from '../../../detectors/mahalanobis/detector.ts'
import { type Room, roomFeeds } from '../../../detectors/mahalanobis/room.ts'
import type { GuardRoom } from '../../container/manifest.ts'
import { HardpackError, type Tensor } from '../../core/index.ts'

/** Inputs of the first pass. */
export const ROOM_INPUTS = {
  basis: 'hardpack.room.basis',
  whitening: 'hardpack.room.whitening',
  means: 'hardpack.room.means',
} as const

/** The output of the first pass with the features that the detector looks at. */
export const ROOM_FEATURES = 'hardpack.room.features'

/** What a detector feeds to the first pass, by the names of its inputs. */
export function feedsOfRoom(detector: Mahalanobis, room: Room): Record<string, Tensor> {
  const { basis, whitening, means } = roomFeeds(detector, room)
  return { [ROOM_INPUTS.basis]: basis, [ROOM_INPUTS.whitening]: whitening, [ROOM_INPUTS.means]: means }
}

/** A detector as tensors, for a manifest. */
export function roomTensors(detector: Mahalanobis): Record<string, Tensor> {
  const { columns, rank, classes, center, inverseScale, basis, whitening, means } = detector
  return {
    center: { dtype: 'float32', shape: [columns], data: center },
    inverseScale: { dtype: 'float32', shape: [columns], data: inverseScale },
    basis: { dtype: 'float16', shape: [columns, rank], data: basis },
    whitening: { dtype: 'float32', shape: whitening.length === rank ? [rank] : [rank, rank], data: whitening },
    means: { dtype: 'float16', shape: [classes.length, rank], data: means },
  }
}

/**
 * The detector of a manifest.
 *
 * @throws HardpackError `INVALID_FORMAT` for tensors that make none.
 */
export function detectorOfRoom(room: GuardRoom, tensors: Readonly<Record<string, Tensor>>): Mahalanobis {
  const { classes, counts, restPrecision, normalised } = room
  const [columns = 0, rank = 0] = tensors.basis?.shape ?? []
  const array = <T extends Tensor['data']>(
    name: string,
    type: abstract new (...given: never[]) => T,
    shape: number[],
  ): T => {
    const tensor = tensors[name]
    const fits = tensor?.shape.length === shape.length && shape.every((dim, i) => dim === tensor.shape[i])
    if (fits && tensor.data instanceof type) return tensor.data
    throw new HardpackError(
      'INVALID_FORMAT',
      `Tensor "${name}" of the guard expected the shape [${shape}], got ${tensor ? `${tensor.dtype}[${tensor.shape}]` : 'none'}.`,
      { hint: 'Pack the model again.' },
    )
  }
  return {
    kind: 'mahalanobis',
    relative: false,
    normalised,
    classes,
    counts,
    columns,
    rank,
    shrinkage: 0,
    center: array('center', Float32Array, [columns]),
    inverseScale: array('inverseScale', Float32Array, [columns]),
    basis: array('basis', Uint16Array, [columns, rank]),
    whitening: array('whitening', Float32Array, tensors.whitening?.shape.length === 2 ? [rank, rank] : [rank]),
    means: array('means', Uint16Array, [classes.length, rank]),
    restPrecision,
  }
}
