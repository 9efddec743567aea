/**
 * Attacks on a stream: frames pass once, and the attacker can afford to change k of n. Which ones, it has to say at once, as in
 * the online algorithm Virtual+ (Mladenovic et al., ICLR 2022); a frame is worth what the attack on it gains. The guard is
 * evaluated on exactly those.
 */

import type { AttackResult } from '../../detectors/attacks/index.ts'
import { pickOnline } from '../../detectors/online/virtual-plus.ts'

/**
 * The frames of a stream that an online attacker changes.
 *
 * @param result of the attack on every frame, in the order of the stream
 * @param labels of the frames
 * @param k how many it can change
 * @returns their numbers, ascending; a frame is worth its margin: how far another class is above its own
 */
export function attackedFrames({ answers }: AttackResult, labels: ArrayLike<number>, k: number): number[] {
  const { logits } = answers
  const classes = logits.length / labels.length
  const worth = Float64Array.from(labels, (label, frame) => {
    const own = logits[frame * classes + label]
    const others = logits.subarray(frame * classes, (frame + 1) * classes).filter((_, c) => c !== label)
    return others.reduce((a, b) => Math.max(a, b)) - own
  })
  return pickOnline(worth, k)
}
