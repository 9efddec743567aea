/**
 * A time limit for work in another thread. It counts the time that this page was alive to see: a frozen or suspended tab
 * stops the worker as well, so at most two steps of one gap count, however long the gap was.
 */

const STEP_MS = 1000

/**
 * Calls `onExpire` once after `limitMs`, unless the returned function is called before.
 *
 * @param now a monotonic clock in milliseconds
 */
export function watchdog(
  limitMs: number,
  onExpire: () => void,
  now: () => number = () => performance.now(),
): () => void {
  const step = Math.min(STEP_MS, limitMs)
  let left = limitMs
  let last = now()
  const tick = (): void => {
    const time = now()
    left -= Math.min(time - last, 2 * step)
    last = time
    if (left > 0) timer = setTimeout(tick, step)
    else onExpire()
  }
  let timer = setTimeout(tick, step)
  return () => clearTimeout(timer)
}
