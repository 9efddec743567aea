/** What a guard learns of new classes on a device, and how that is kept. */

import { addClass } from '../../../detectors/mahalanobis/add-class.ts'
import type { Mahalanobis } from '../../../detectors/mahalanobis/detector.ts'
import { type Room, roomFor } from '../../../detectors/mahalanobis/room.ts'
import type { GuardRoom } from '../../container/manifest.ts'
import { elementCount, fromFloat16, messageOf, type Tensor } from '../../core/index.ts'
import { detectorOfRoom, feedsOfRoom, roomTensors } from './room.ts'
import { floats, refused } from './state.ts'

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

/** @throws HardpackError `INVALID_ARGUMENT` for a state that makes no detector, `LIMIT_EXCEEDED` for one that is too large. */
export function importLearned(learning: Learning, state: LearnedState): Learning {
  const { classes, counts, tensors } = Object(state) as LearnedState
  const isList = (list: unknown, fits: (item: unknown) => boolean): boolean => Array.isArray(list) && list.every(fits)
  const isNamed = isList(classes, (name) => typeof name === 'string') && new Set(classes).size === classes.length
  const isCounted = isList(counts, (count) => Number.isSafeInteger(count) && Number(count) >= 1)
  if (!isNamed || !isCounted || counts.length !== classes.length) throw refused('a count for each class', 'others')
  const typed = Object.entries(Object(tensors) as LearnedState['tensors']).map(([name, { shape, data }]) => {
    return [name, learnedTensor(name, shape, data)] as const
  })
  const entry = { ...learning.entry, classes, counts }
  let detector: Mahalanobis
  try {
    detector = detectorOfRoom(entry, Object.fromEntries(typed))
  } catch (error) {
    throw refused('a detector', messageOf(error).replace(/\.$/, ''))
  }
  const { columns } = learning.detector
  if (detector.columns !== columns) throw refused(`${columns} features`, `${detector.columns}`)
  return withDetector(learning, detector)
}

function learnedTensor(name: string, shape: readonly number[], data: readonly number[]): Tensor {
  const numbers = floats(data)
  const isShape = Array.isArray(shape) && shape.every((dim) => Number.isSafeInteger(dim) && dim >= 0)
  if (!isShape || elementCount(shape) !== numbers.length) {
    throw refused(`tensor "${name}" of [${shape}]`, `${numbers.length} numbers`)
  }
  const isHalf = name === 'basis' || name === 'means'
  const isBits = (bits: number): boolean => Number.isInteger(bits) && bits >= 0 && bits < 2 ** 16
  const odd = numbers.find(
    (value) => !(isHalf ? isBits(value) && Number.isFinite(fromFloat16(value)) : Number.isFinite(value)),
  )
  if (odd !== undefined) throw refused(`finite numbers in tensor "${name}"`, `${odd}`)
  return isHalf
    ? { dtype: 'float16', shape, data: Uint16Array.from(numbers) }
    : { dtype: 'float32', shape, data: numbers }
}

function withDetector(learning: Pick<Learning, 'entry' | 'room'>, detector: Mahalanobis): Learning {
  return { ...learning, detector, feeds: feedsOfRoom(detector, learning.room) }
}
