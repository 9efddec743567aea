/**
 * The one error type of hardpack. A message is one sentence that says what was expected, what came, and what to do:
 * `what expected X, got Y. Do Z.` The code is stable and documented in `sdk/docs/errors.md`.
 */

/** Every code that hardpack throws. A test holds this list and `sdk/docs/errors.md` together. */
export const ERROR_CODES = [
  'ABORTED',
  'BAD_SIGNATURE',
  'BASE_MISMATCH',
  'BASE_REQUIRED',
  'BUSY',
  'CHUNK_CORRUPT',
  'CLOSED',
  'DEVICE_LOST',
  'EXTERNAL_DATA',
  'INVALID_ARGUMENT',
  'INVALID_FORMAT',
  'INVALID_INPUT',
  'INVALID_MODEL',
  'IO',
  'LIMIT_EXCEEDED',
  'NETWORK',
  'REFERENCE_MISMATCH',
  'ROLLBACK',
  'SELF_TEST_FAILED',
  'TARGET_FAILED',
  'TARGET_UNAVAILABLE',
  'TIMEOUT',
  'UNSIGNED',
  'UNSUPPORTED_MODEL',
  'UNSUPPORTED_VERSION',
] as const

export type ErrorCode = (typeof ERROR_CODES)[number]

export interface HardpackErrorOptions {
  /** What the reader should do. Appended to the message. */
  hint?: string
  cause?: unknown
  /** True when the same call may succeed later without any change. */
  retryable?: boolean
}

/**
 * Every error that hardpack throws on purpose.
 *
 * @example
 * try { await open(url, options) } catch (e) {
 *   if (e instanceof HardpackError && e.code === 'UNSIGNED') showUnsignedWarning()
 * }
 */
export class HardpackError extends Error {
  override readonly name = 'HardpackError'
  readonly code: ErrorCode
  readonly hint: string | undefined
  readonly retryable: boolean

  constructor(code: ErrorCode, message: string, options: HardpackErrorOptions = {}) {
    super(
      options.hint ? `${message} ${options.hint}` : message,
      options.cause === undefined ? undefined : { cause: options.cause },
    )
    this.code = code
    this.hint = options.hint
    this.retryable = options.retryable ?? false
  }
}

/** Throws `ABORTED` when the signal has fired. */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted)
    throw new HardpackError('ABORTED', 'The call was aborted by its signal.', { cause: signal.reason })
}

/** The message of anything that can be thrown, on one line. */
export function messageOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error)
  return text.replace(/\s+/g, ' ').trim()
}
