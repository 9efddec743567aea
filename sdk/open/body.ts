/** The body of an answer over http, taken in order and no faster than it is wanted: what nobody takes is not downloaded. */

import { HardpackError, messageOf, throwIfAborted } from '../core/index.ts'

/** Answers after which the same request may succeed: time-out, too many requests, and what is wrong at the server. */
const isPassing = (status: number): boolean => status === 408 || status === 429 || status >= 500

export class Body {
  readonly #url: string | URL
  readonly #signal: AbortSignal | undefined
  readonly #reader: ReadableStreamDefaultReader<Uint8Array> | undefined
  #rest: Uint8Array = new Uint8Array(0)

  constructor({ body }: Response, url: string | URL, signal: AbortSignal | undefined) {
    this.#url = url
    this.#signal = signal
    this.#reader = body?.getReader()
  }

  /**
   * The next bytes, at most `most` of them and as many as there are; `undefined` at the end.
   *
   * @throws HardpackError `NETWORK`, `ABORTED`.
   */
  async next(most: number): Promise<Uint8Array | undefined> {
    while (this.#rest.length === 0) {
      const part = await this.#read()
      if (!part || part.done) return undefined
      this.#rest = part.value
    }
    const bytes = this.#rest.subarray(0, most)
    this.#rest = this.#rest.subarray(most)
    return bytes
  }

  /** Fills `target` from its beginning, and says how many bytes came. */
  async fill(target: Uint8Array): Promise<number> {
    let filled = 0
    while (filled < target.length) {
      const part = await this.next(target.length - filled)
      if (!part) break
      target.set(part, filled)
      filled += part.length
    }
    return filled
  }

  /** Gives back the connection of what nobody reads. */
  cancel(): void {
    this.#reader?.cancel().catch(() => {})
  }

  async #read() {
    try {
      return await this.#reader?.read()
    } catch (error) {
      throwIfAborted(this.#signal)
      throw networkError(this.#url, `a whole body, got ${messageOf(error)}`, { cause: error })
    }
  }
}

/**
 * The answer to a request that succeeded.
 *
 * @throws HardpackError `NETWORK`, `ABORTED`.
 */
export async function request(url: string | URL, signal: AbortSignal | undefined, range?: string): Promise<Response> {
  let response: Response
  try {
    response = await fetch(url, { signal, headers: range === undefined ? {} : { range } })
  } catch (error) {
    throwIfAborted(signal)
    throw networkError(url, `an answer, got ${messageOf(error)}`, { cause: error })
  }
  if (response.ok) return response
  discard(response)
  throw networkError(url, `the file, got status ${response.status}`, { retryable: isPassing(response.status) })
}

/** Gives back the connection of an answer that nobody reads. */
export function discard({ body }: Response): void {
  body?.cancel().catch(() => {})
}

/** `NETWORK`, as "The download of `url` expected `what`." */
export function networkError(
  url: string | URL,
  what: string,
  { cause, retryable = true }: { cause?: unknown; retryable?: boolean } = {},
): HardpackError {
  return new HardpackError('NETWORK', `The download of ${url} expected ${what}.`, {
    hint: retryable ? 'Check the address and the connection, then try again.' : 'Check the address.',
    cause,
    retryable,
  })
}
