/**
 * A source over http: Range requests where the server has them, else one whole download. The entity tag of the first
 * answer must stay the same, so a file that is replaced during a download is noticed and never mixed. No more of a body
 * is taken into memory than was asked for, or than a package may have.
 */

import { HEADER_BYTES } from '../container/header.ts'
import { type Limits, limitsOf } from '../container/limits.ts'
import { SIGNATURE_BYTES } from '../container/signature.ts'
import {
  bytesSource,
  checkRange,
  concat,
  HardpackError,
  messageOf,
  type Source,
  throwIfAborted,
} from '../core/index.ts'

/** The first request asks for this much: header, manifest and the whole of a small model in one round trip. */
const FIRST_READ = 64 * 1024

/** In front of a chunk there is less padding than this. */
const PADDING = 64

/** Answers after which the same request may succeed: time-out, too many requests, and what is wrong at the server. */
const isPassing = (status: number): boolean => status === 408 || status === 429 || status >= 500

/**
 * Opens a URL for reading by ranges.
 *
 * @throws HardpackError `NETWORK` when the server cannot be reached or answers with an error, `LIMIT_EXCEEDED` when it
 *   sends more than a package may have, `ABORTED`.
 */
export async function urlSource(url: string | URL, limits: Limits = limitsOf(), signal?: AbortSignal): Promise<Source> {
  const first = await request(url, signal, `bytes=0-${FIRST_READ - 1}`)
  if (first.status !== 206) return wholeSource(first, url, limits, signal)
  const total = /^bytes 0-\d+\/(\d+)$/.exec(first.headers.get('content-range') ?? '')?.[1]
  if (total === undefined) {
    // A page sees this header of another origin only where Access-Control-Expose-Headers names it.
    discard(first)
    return wholeSource(await request(url, signal), url, limits, signal)
  }
  const body = await bodyOf(first, url, FIRST_READ, signal)
  const etag = first.headers.get('etag')
  const source: Source = {
    byteLength: Number(total),
    async read(start, end, readSignal) {
      checkRange(source, start, end)
      if (end <= body.length || start === end) return body.subarray(start, end)
      const response = await request(url, readSignal, `bytes=${start}-${end - 1}`)
      if (response.status !== 206 || response.headers.get('etag') !== etag) {
        discard(response)
        throw networkError(url, 'the same file as before, got another version')
      }
      const part = await bodyOf(response, url, end - start, readSignal)
      if (part.length !== end - start) throw networkError(url, `${end - start} bytes, got ${part.length}`)
      return part
    },
  }
  return source
}

async function wholeSource(
  response: Response,
  url: string | URL,
  limits: Limits,
  signal: AbortSignal | undefined,
): Promise<Source> {
  const body = await bodyOf(response, url, maxFileBytes(limits), signal)
  const declared = response.headers.get('content-length')
  const encoded = response.headers.get('content-encoding')
  if (declared !== null && !encoded && Number(declared) !== body.length) {
    throw networkError(url, `${declared} bytes, got ${body.length}`)
  }
  return bytesSource(body)
}

/** The longest file that these limits allow: encoded bytes are never more than decoded ones. */
function maxFileBytes({ manifestBytes, signatures, chunks, modelBytes }: Limits): number {
  return HEADER_BYTES + manifestBytes + SIGNATURE_BYTES * signatures + PADDING * chunks + modelBytes
}

async function request(url: string | URL, signal: AbortSignal | undefined, range?: string): Promise<Response> {
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
function discard({ body }: Response): void {
  body?.cancel().catch(() => {})
}

async function bodyOf(
  response: Response,
  url: string | URL,
  maxBytes: number,
  signal: AbortSignal | undefined,
): Promise<Uint8Array> {
  const parts: Uint8Array[] = []
  let length = 0
  const reader = response.body?.getReader()
  try {
    for (let part = await reader?.read(); part && !part.done; part = await reader?.read()) {
      length += part.value.length
      if (length > maxBytes) break
      parts.push(part.value)
    }
  } catch (error) {
    throwIfAborted(signal)
    throw networkError(url, `a whole body, got ${messageOf(error)}`, { cause: error })
  }
  if (length <= maxBytes) return concat(parts)
  reader?.cancel().catch(() => {})
  throw new HardpackError('LIMIT_EXCEEDED', `The download of ${url} expected at most ${maxBytes} bytes, got more.`, {
    hint: 'Check the address; an app that trusts the file may raise limits.modelBytes.',
  })
}

function networkError(
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
