/**
 * A source over http: Range requests where the server has them, else one whole download. The entity tag of the first
 * answer must stay the same, so a file that is replaced during a download is noticed and never mixed.
 */

import { bytesSource, checkRange, HardpackError, messageOf, type Source, throwIfAborted } from '../core/index.ts'

/** The first request asks for this much: header, manifest and the whole of a small model in one round trip. */
const FIRST_READ = 64 * 1024

/**
 * Opens a URL for reading by ranges.
 *
 * @throws HardpackError `NETWORK` when the server cannot be reached or answers with an error, `ABORTED`.
 */
export async function urlSource(url: string | URL, signal?: AbortSignal): Promise<Source> {
  const first = await request(url, signal, `bytes=0-${FIRST_READ - 1}`)
  const body = await bodyOf(first, url, signal)
  const total = /^bytes 0-\d+\/(\d+)$/.exec(first.headers.get('content-range') ?? '')?.[1]
  if (first.status !== 206 || total === undefined) return wholeSource(body, url, first)
  const etag = first.headers.get('etag')
  const source: Source = {
    byteLength: Number(total),
    async read(start, end, readSignal) {
      checkRange(source, start, end)
      if (end <= body.length) return body.subarray(start, end)
      const response = await request(url, readSignal, `bytes=${start}-${end - 1}`)
      if (response.status !== 206 || response.headers.get('etag') !== etag) {
        throw networkError(url, 'the same file as before, got another version', undefined)
      }
      const part = await bodyOf(response, url, readSignal)
      if (part.length !== end - start) throw networkError(url, `${end - start} bytes, got ${part.length}`, undefined)
      return part
    },
  }
  return source
}

function wholeSource(body: Uint8Array, url: string | URL, response: Response): Source {
  const declared = response.headers.get('content-length')
  const encoded = response.headers.get('content-encoding')
  if (declared !== null && !encoded && Number(declared) !== body.length) {
    throw networkError(url, `${declared} bytes, got ${body.length}`, undefined)
  }
  return bytesSource(body)
}

async function request(url: string | URL, signal: AbortSignal | undefined, range: string): Promise<Response> {
  let response: Response
  try {
    response = await fetch(url, { signal, headers: { range } })
  } catch (error) {
    throwIfAborted(signal)
    throw networkError(url, `an answer, got ${messageOf(error)}`, error)
  }
  if (!response.ok) throw networkError(url, `the file, got status ${response.status}`, undefined)
  return response
}

async function bodyOf(response: Response, url: string | URL, signal: AbortSignal | undefined): Promise<Uint8Array> {
  try {
    return new Uint8Array(await response.arrayBuffer())
  } catch (error) {
    throwIfAborted(signal)
    throw networkError(url, `a whole body, got ${messageOf(error)}`, error)
  }
}

function networkError(url: string | URL, what: string, cause: unknown): HardpackError {
  return new HardpackError('NETWORK', `The download of ${url} expected ${what}.`, {
    hint: 'Check the address and the connection, then try again.',
    cause,
    retryable: true,
  })
}
