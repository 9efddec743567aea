/**
 * Room for classes: a graph cannot grow on a device, so a detector that may learn has its basis, whitening and means as
 * inputs, with rows to spare. Spare directions are zero, and spare means lie so far away that none is ever the nearest.
 */

import { HardpackError, type Tensor } from '../../sdk/core/index.ts'
import { type Mahalanobis, widen } from './detector.ts'

/** How many classes and directions the inputs have room for. */
export interface Room {
  readonly classes: number
  readonly rank: number
}

/** In standard deviations. */
const FAR = 1e6

/**
 * The room of a fitted detector with `extra` more classes. Each may bring a direction of its own, where the basis leaves some
 * out.
 */
export function roomFor({ classes, rank, columns, restPrecision }: Mahalanobis, extra: number): Room {
  return { classes: classes.length + extra, rank: restPrecision === 0 ? rank : Math.min(columns, rank + extra) }
}

/**
 * What a detector feeds to the inputs of `mahalanobisHead`.
 *
 * @returns float32 basis `[columns, room.rank]`, whitening `[room.rank, room.rank]`, means `[room.classes, room.rank]`
 * @throws HardpackError `LIMIT_EXCEEDED` for a detector that has grown beyond its room.
 * @example
 * await session.run({ image, ...feedsByName(roomFeeds(detector, room)) })
 */
export function roomFeeds(
  { columns, rank, classes, basis, whitening, means }: Mahalanobis,
  room: Room,
): { readonly basis: Tensor; readonly whitening: Tensor; readonly means: Tensor } {
  if (classes.length > room.classes || rank > room.rank) {
    throw new HardpackError(
      'LIMIT_EXCEEDED',
      `The guard expected at most ${room.classes} classes, got ${classes.length}.`,
      {
        hint: 'Pack the model with more --room.',
      },
    )
  }
  const placed = (rows: number, wide: number, values: ArrayLike<number>, rest = 0): Tensor => {
    const data = new Float32Array(rows * room.rank).fill(rest)
    for (let at = 0; at < values.length; at += wide) {
      const row = (at / wide) * room.rank
      data.fill(0, row, row + room.rank)
      for (let i = 0; i < wide; i++) data[row + i] = values[at + i]
    }
    return { dtype: 'float32', shape: [rows, room.rank], data }
  }
  const square = new Float32Array(rank * rank)
  if (whitening.length === rank) for (let i = 0; i < rank; i++) square[i * (rank + 1)] = whitening[i]
  else square.set(whitening)
  return {
    basis: placed(columns, rank, widen(basis)),
    whitening: placed(room.rank, rank, square),
    means: placed(room.classes, rank, widen(means), FAR),
  }
}
