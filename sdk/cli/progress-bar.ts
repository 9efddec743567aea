/** Progress on stderr: a bar with an estimate of the time left on a terminal, one plain line a stage elsewhere. */

import type { OnProgress, Progress } from '../core/index.ts'

const WIDTH = 24
const REDRAW_MS = 80

export interface ProgressDisplay {
  readonly onProgress: OnProgress
  /** Takes the bar off the screen, so that other lines can be written. */
  clear(): void
}

/**
 * A display of progress on a stream.
 *
 * @param now a clock in milliseconds
 */
export function progressDisplay(
  stream: { write(text: string): unknown; isTTY?: boolean },
  now = Date.now,
): ProgressDisplay {
  let stage = ''
  let startedAt = 0
  let drawnAt = 0
  let shown = false
  const clear = (): void => {
    if (shown) stream.write('\r\x1b[2K')
    shown = false
  }
  const onProgress = (progress: Progress): void => {
    const isNew = progress.stage !== stage
    if (isNew) {
      stage = progress.stage
      startedAt = now()
      if (!stream.isTTY) stream.write(`${stage} …\n`)
    }
    if (!stream.isTTY) return
    const isDone = progress.done >= progress.total
    if (!isNew && !isDone && now() - drawnAt < REDRAW_MS) return
    drawnAt = now()
    clear()
    if (isDone) return
    stream.write(bar(progress, now() - startedAt))
    shown = true
  }
  return { onProgress, clear }
}

function bar({ stage, done, total }: Progress, elapsedMs: number): string {
  const fraction = total > 0 ? Math.min(1, done / total) : 0
  const filled = Math.round(fraction * WIDTH)
  const left = fraction > 0.02 ? ` ${Math.ceil((elapsedMs * (1 - fraction)) / fraction / 1000)} s left` : ''
  return `${'█'.repeat(filled)}${'░'.repeat(WIDTH - filled)} ${String(Math.floor(fraction * 100)).padStart(3)} % ${stage}${left}`
}
