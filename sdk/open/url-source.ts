/**
 * A source over http: Range requests where the server has them, else one download that is read as it comes. The entity tag of
 * the first answer must stay the same, so a file that is replaced during a download is noticed and never mixed. No more of
 * a body is taken into memory than was asked for, or than a package may have.
 */

import { HEADER_BYTES } from '../container/header.ts'
import { type Limits, limitsOf } from '../container/limits.ts'
import { SIGNATURE_BYTES } from '../container/signature.ts'
import { bytesSource, checkRange, concat, HardpackError, type Source } from '../core/index.ts'
import { Body, discard, networkError, request } from './body.ts'

/** The first request asks for this much: header, manifest and the whole of a small model in one round trip. */
const FIRST_READ = 64 * 1024

/** In front of a chunk there is less padding than this. */
const PADDING = 64

export interface UrlSource extends Source {
  /** Ends a download that nobody reads to its end. */
  close(): void
}

/**
 * Opens a URL for reading by ranges.
 *
 * @throws HardpackError `NETWORK` when the server cannot be reached or answers with an error, `LIMIT_EXCEEDED` when it
 *   sends more than a package may have, `ABORTED`.
 */
export async function urlSource(
  url: string | URL,
  limits: Limits = limitsOf(),
  signal?: AbortSignal,
): Promise<UrlSource> {
  const first = await request(url, signal, `bytes=0-${FIRST_READ - 1}`)
  if (first.status !== 206) return wholeSource(first, url, limits, signal)
  const total = /^bytes 0-\d+\/(\d+)$/.exec(first.headers.get('content-range') ?? '')?.[1]
  if (total === undefined) {
    // A page sees this header of another origin only where Access-Control-Expose-Headers names it.
    discard(first)
    return wholeSource(await request(url, signal), url, limits, signal)
  }
  return rangedSource(first, Number(total), url, signal)
}

async function rangedSource(
  first: Response,
  byteLength: number,
  url: string | URL,
  signal: AbortSignal | undefined,
): Promise<UrlSource> {
  const head = await wholeBody(first, url, FIRST_READ, signal)
  const etag = first.headers.get('etag')
  const source: UrlSource = {
    byteLength,
    async read(start, end, readSignal, into) {
      checkRange(source, start, end)
      if (end <= head.length || start === end) return head.subarray(start, end)
      const response = await request(url, readSignal, `bytes=${start}-${end - 1}`)
      if (response.status !== 206 || response.headers.get('etag') !== etag) {
        discard(response)
        throw networkError(url, 'the same file as before, got another version')
      }
      const body = new Body(response, url, readSignal)
      const bytes = await exactly(body, url, into ?? new Uint8Array(end - start))
      if (await body.next(1)) throw tooMuch(body, url, end - start)
      return bytes
    },
    close() {},
  }
  return source
}

/** The whole file in one answer: read as it comes where its length is known, else taken into memory. */
async function wholeSource(
  response: Response,
  url: string | URL,
  limits: Limits,
  signal: AbortSignal | undefined,
): Promise<UrlSource> {
  const declared = response.headers.get('content-length')
  if (declared !== null && !response.headers.get('content-encoding')) {
    return streamedSource(response, Number(declared), url, signal)
  }
  const body = await wholeBody(response, url, maxFileBytes(limits), signal)
  return { ...bytesSource(body), close() {} }
}

/**
 * A source that is read forward, as `open` reads a package: nothing that was read is kept. A read that goes back begins a
 * new download.
 */
function streamedSource(
  first: Response,
  byteLength: number,
  url: string | URL,
  signal: AbortSignal | undefined,
): UrlSource {
  const etag = first.headers.get('etag')
  let body = new Body(first, url, signal)
  let position = 0
  let earlier: Promise<unknown> = Promise.resolve()

  const restart = async (): Promise<void> => {
    body.cancel()
    const response = await request(url, signal)
    body = new Body(response, url, signal)
    position = 0
    if (response.headers.get('etag') === etag && Number(response.headers.get('content-length')) === byteLength) return
    body.cancel()
    throw networkError(url, 'the same file as before, got another version')
  }
  const take = async (start: number, target: Uint8Array): Promise<Uint8Array> => {
    if (start < position) await restart()
    while (position < start) {
      const skipped = await body.next(start - position)
      if (!skipped) throw networkError(url, `${byteLength} bytes, got ${position}`)
      position += skipped.length
    }
    await exactly(body, url, target)
    position += target.length
    return target
  }
  const source: UrlSource = {
    byteLength,
    read(start, end, _, into) {
      const bytes = earlier.then(() => {
        checkRange(source, start, end)
        return take(start, into ?? new Uint8Array(end - start))
      })
      earlier = bytes.catch(() => {})
      return bytes
    },
    close: () => body.cancel(),
  }
  return source
}

/** The longest file that these limits allow: encoded bytes are never more than decoded ones. */
function maxFileBytes({ manifestBytes, signatures, chunks, modelBytes }: Limits): number {
  return HEADER_BYTES + manifestBytes + SIGNATURE_BYTES * signatures + PADDING * chunks + modelBytes
}

async function wholeBody(
  response: Response,
  url: string | URL,
  maxBytes: number,
  signal: AbortSignal | undefined,
): Promise<Uint8Array> {
  const body = new Body(response, url, signal)
  const parts: Uint8Array[] = []
  let length = 0
  for (let part = await body.next(maxBytes); part; part = await body.next(maxBytes)) {
    length += part.length
    if (length > maxBytes) throw tooMuch(body, url, maxBytes)
    parts.push(part)
  }
  return concat(parts)
}

/** Fills `target` from what comes next. */
async function exactly(body: Body, url: string | URL, target: Uint8Array): Promise<Uint8Array> {
  const filled = await body.fill(target)
  if (filled === target.length) return target
  throw networkError(url, `${target.length} bytes, got ${filled}`)
}

function tooMuch(body: Body, url: string | URL, maxBytes: number): HardpackError {
  body.cancel()
  return new HardpackError('LIMIT_EXCEEDED', `The download of ${url} expected at most ${maxBytes} bytes, got more.`, {
    hint: 'Check the address; an app that trusts the file may raise limits.modelBytes.',
  })
}
