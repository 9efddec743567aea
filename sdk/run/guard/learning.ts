/** What a guard learns of new classes on a device, and how that is kept. */

import { addClass } from '../../../detectors/mahalanobis/add-class.ts'
import type { Mahalanobis } from '../../../detectors/mahalanobis/detector.ts'
import { type Room, roomFor } from '../../../detectors/mahalanobis/room.ts'
import type { GuardRoom } from '../../container/manifest.ts'
import { elementCount, type Tensor } from '../../core/index.ts'
import { detectorOfRoom, feedsOfRoom, roomTensors } from './room.ts'

export interface Learning {
  readonly entry: GuardRoom
  readonly room: Room
  readonly detector: Mahalanobis
  /** Of the first pass. */
  readonly feeds: Readonly<Record<string, Tensor>>
}

/** A detector as plain numbers. */
export interface LearnedState {
  readonly classes: readonly string[]
  readonly counts: readonly number[]
  readonly tensors: Readonly<Record<string, { readonly shape: readonly number[]; readonly data: readonly number[] }>>
}

/**
 * The detector of a package, before anything was learned.
 *
 * @throws HardpackError `INVALID_FORMAT` for tensors that make none.
 */
export function startLearning(entry: GuardRoom, tensors: Readonly<Record<string, Tensor>>): Learning {
  const detector = detectorOfRoom(entry, tensors)
  return withDetector({ entry, room: roomFor(detector, entry.room) }, detector)
}

/** @throws HardpackError as `addClass` of the detector does, and `LIMIT_EXCEEDED` when the room is used up. */
export function learnClass(learning: Learning, name: string, features: readonly Tensor[]): Learning {
  const { columns } = learning.detector
  const rows = features.reduce((sum, { shape }) => sum + shape[0], 0)
  const data = new Float32Array(rows * columns)
  let at = 0
  for (const tensor of features) {
    data.set(tensor.data as Float32Array, at)
    at += elementCount(tensor.shape)
  }
  return withDetector(learning, addClass(learning.detector, name, { rows, columns, data }))
}

export function learnedState({ detector }: Learning): LearnedState {
  const { classes, counts } = detector
  const tensors = Object.entries(roomTensors(detector)).map(([name, { shape, data }]) => [
    name,
    { shape, data: Array.from(data, Number) },
  ])
  return { classes, counts, tensors: Object.fromEntries(tensors) }
}

/** @throws HardpackError `INVALID_FORMAT` for a state that makes no detector, `LIMIT_EXCEEDED` for one that is too large. */
export function importLearned(learning: Learning, { classes, counts, tensors }: LearnedState): Learning {
  const typed = Object.entries(tensors).map(([name, { shape, data }]): [string, Tensor] => {
    const isHalf = name === 'basis' || name === 'means'
    return [
      name,
      isHalf
        ? { dtype: 'float16', shape, data: Uint16Array.from(data) }
        : { dtype: 'float32', shape, data: Float32Array.from(data) },
    ]
  })
  const entry = { ...learning.entry, classes, counts }
  return withDetector(learning, detectorOfRoom(entry, Object.fromEntries(typed)))
}

function withDetector(learning: Pick<Learning, 'entry' | 'room'>, detector: Mahalanobis): Learning {
  return { ...learning, detector, feeds: feedsOfRoom(detector, learning.room) }
}
