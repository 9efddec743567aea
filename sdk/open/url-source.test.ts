import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { limitsOf } from '../container/limits.ts'
import { equal } from '../core/index.ts'
import { urlSource } from './url-source.ts'

const FILE = Uint8Array.from({ length: 200_000 }, (_, i) => (i * 31) & 255)

type Handler = (request: IncomingMessage, response: ServerResponse, count: number) => void

/** A server on 127.0.0.1 for one test; gives its address and the ranges that were asked for. */
async function serving(
  handler: Handler,
  use: (url: string, ranges: (string | undefined)[]) => Promise<void>,
): Promise<void> {
  const ranges: (string | undefined)[] = []
  const server = createServer((request, response) => {
    ranges.push(request.headers.range)
    handler(request, response, ranges.length)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  try {
    await use(`http://127.0.0.1:${(server.address() as AddressInfo).port}/model.hpk`, ranges)
  } finally {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  }
}

function answerRange(request: IncomingMessage, response: ServerResponse, etag = '"1"', file = FILE): void {
  const [, start, last] = /bytes=(\d+)-(\d+)/.exec(request.headers.range ?? '') as RegExpExecArray
  const end = Math.min(Number(last) + 1, file.length)
  response.writeHead(206, { 'content-range': `bytes ${start}-${end - 1}/${file.length}`, etag })
  response.end(file.subarray(Number(start), end))
}

test('with ranges, only what is asked for is fetched, and the first part once', async () => {
  await serving(
    (request, response) => answerRange(request, response),
    async (url, ranges) => {
      const source = await urlSource(url)
      assert.equal(source.byteLength, FILE.length)
      assert.ok(equal(await source.read(100, 5000), FILE.subarray(100, 5000)))
      assert.deepEqual(ranges, ['bytes=0-65535'])
      assert.ok(equal(await source.read(150_000, 160_000), FILE.subarray(150_000, 160_000)))
      assert.deepEqual(ranges, ['bytes=0-65535', 'bytes=150000-159999'])
    },
  )
})

test('without ranges the whole file is fetched once', async () => {
  await serving(
    (_, response) => response.end(FILE),
    async (url, ranges) => {
      const source = await urlSource(url)
      assert.equal(source.byteLength, FILE.length)
      assert.ok(equal(await source.read(150_000, 160_000), FILE.subarray(150_000, 160_000)))
      assert.equal(ranges.length, 1)
    },
  )
})

test('without ranges a read ends as soon as its bytes are there', async () => {
  let more = (): void => {}
  const halves: Handler = (_, response) => {
    response.writeHead(200, { 'content-length': FILE.length })
    response.write(FILE.subarray(0, 100_000))
    more = () => response.end(FILE.subarray(100_000))
  }
  await serving(halves, async (url, ranges) => {
    const source = await urlSource(url)
    assert.ok(equal(await source.read(0, 50_000), FILE.subarray(0, 50_000)))
    const later = [source.read(60_000, 120_000), source.read(120_000, 120_000), source.read(130_000, FILE.length)]
    more()
    assert.ok(equal(await later[0], FILE.subarray(60_000, 120_000)))
    assert.equal((await later[1]).length, 0)
    assert.ok(equal(await later[2], FILE.subarray(130_000)))
    assert.equal(ranges.length, 1)
  })
})

test('without ranges a read that goes back begins again, and refuses a file that was replaced', async () => {
  await serving(
    (_, response, count) =>
      response.writeHead(200, { etag: count < 3 ? '"1"' : '"2"', 'content-length': FILE.length }).end(FILE),
    async (url, ranges) => {
      const source = await urlSource(url)
      assert.ok(equal(await source.read(150_000, 160_000), FILE.subarray(150_000, 160_000)))
      assert.ok(equal(await source.read(100, 5000), FILE.subarray(100, 5000)))
      assert.equal(ranges.length, 2)
      await assert.rejects(source.read(0, 100), { code: 'NETWORK', message: /another version/, retryable: true })
    },
  )
})

test('a download whose length is not known, or not that of the file, is taken whole', async () => {
  const chunked: Handler = (_, response) => {
    response.write(FILE.subarray(0, 5))
    response.end(FILE.subarray(5))
  }
  const packed = gzipSync(FILE)
  const encoded: Handler = (_, response) =>
    response.writeHead(200, { 'content-encoding': 'gzip', 'content-length': packed.length }).end(packed)
  for (const handler of [chunked, encoded]) {
    await serving(handler, async (url, ranges) => {
      const source = await urlSource(url)
      assert.equal(source.byteLength, FILE.length)
      assert.ok(equal(await source.read(150_000, 160_000), FILE.subarray(150_000, 160_000)))
      assert.ok(equal(await source.read(0, 10), FILE.subarray(0, 10)))
      assert.equal(ranges.length, 1)
    })
  }
})

test('a closed source gives back its connection', { timeout: 30_000 }, async () => {
  let closed: Promise<unknown> | undefined
  const endless: Handler = (_, response) => {
    closed = once(response, 'close')
    response.writeHead(200, { 'content-length': 1e9 })
    response.write(FILE)
  }
  await serving(endless, async (url) => {
    const source = await urlSource(url)
    await source.read(0, 10)
    source.close()
    await closed
    await assert.rejects(source.read(FILE.length, FILE.length + 10), { code: 'NETWORK' })
  })
})

test('what is read lies in the memory that is given', async () => {
  const ranged: Handler = (request, response) => answerRange(request, response)
  const whole: Handler = (_, response) => response.end(FILE)
  for (const handler of [ranged, whole]) {
    await serving(handler, async (url) => {
      const source = await urlSource(url)
      const memory = new Uint8Array(10_000)
      assert.equal(await source.read(150_000, 160_000, undefined, memory), memory)
      assert.ok(equal(memory, FILE.subarray(150_000, 160_000)))
    })
  }
})

test('a file smaller than the first read comes in one request', async () => {
  const small = FILE.subarray(0, 1000)
  await serving(
    (request, response) => answerRange(request, response, '"1"', small),
    async (url, ranges) => {
      const source = await urlSource(url)
      assert.equal(source.byteLength, 1000)
      assert.ok(equal(await source.read(0, 1000), small))
      assert.equal(ranges.length, 1)
    },
  )
})

test('a file that is replaced between two reads is an error, never a mixture', async () => {
  await serving(
    (request, response, count) => answerRange(request, response, `"${count}"`),
    async (url) => {
      const source = await urlSource(url)
      await assert.rejects(source.read(100_000, 100_010), { code: 'NETWORK', retryable: true })
    },
  )
})

test('a missing file, a dead server and a cut body are NETWORK errors that say so', async () => {
  await serving(
    (_, response) => response.writeHead(404).end('not here'),
    (url) => assert.rejects(urlSource(url), { code: 'NETWORK', message: /status 404/ }),
  )
  await assert.rejects(urlSource('http://127.0.0.1:9/model.hpk'), { code: 'NETWORK' })
  const cut: Handler = (_, response) => {
    response.writeHead(200, { 'content-length': FILE.length })
    response.write(FILE.subarray(0, 5000), () => response.destroy())
  }
  await serving(cut, async (url) => {
    const source = await urlSource(url)
    await assert.rejects(source.read(0, FILE.length), { code: 'NETWORK', retryable: true })
  })
})

test('an aborted download is ABORTED', async () => {
  await serving(
    () => {},
    async (url) => {
      const abort = new AbortController()
      setTimeout(() => abort.abort(), 20)
      await assert.rejects(urlSource(url, undefined, abort.signal), { code: 'ABORTED' })
    },
  )
})

test('a part whose place is not said, as from another origin, is not taken for the whole file', async () => {
  const handler: Handler = (request, response) => {
    if (request.headers.range === undefined) response.end(FILE)
    else response.writeHead(206).end(FILE.subarray(0, 65_536))
  }
  await serving(handler, async (url, ranges) => {
    const source = await urlSource(url)
    assert.equal(source.byteLength, FILE.length)
    assert.ok(equal(await source.read(0, FILE.length), FILE))
    assert.deepEqual(ranges, ['bytes=0-65535', undefined])
  })
})

test('nothing is read without a request, wherever it lies', async () => {
  await serving(
    (request, response) => answerRange(request, response),
    async (url, ranges) => {
      const source = await urlSource(url)
      assert.equal((await source.read(150_000, 150_000)).length, 0)
      assert.equal(ranges.length, 1)
    },
  )
})

test('an endless answer is given up at the size that a package may have', async () => {
  const endless: Handler = (_, response) => {
    response.writeHead(200)
    const send = (): void => {
      while (!response.destroyed && response.write(FILE));
    }
    response.on('drain', send)
    send()
  }
  const limits = limitsOf({ modelBytes: 1_000_000, chunks: 10 })
  await serving(endless, (url) => assert.rejects(urlSource(url, limits), { code: 'LIMIT_EXCEEDED' }))
  const tooMuch: Handler = (request, response, count) => {
    if (count === 1) answerRange(request, response)
    else response.writeHead(206, { etag: '"1"' }).end(FILE)
  }
  await serving(tooMuch, async (url) => {
    const source = await urlSource(url)
    await assert.rejects(source.read(100_000, 100_010), { code: 'LIMIT_EXCEEDED' })
  })
})

test('only what may pass by itself is retryable', async () => {
  for (const [status, retryable] of [
    [404, false],
    [403, false],
    [429, true],
    [503, true],
  ] as const) {
    await serving(
      (_, response) => response.writeHead(status).end(),
      (url) => assert.rejects(urlSource(url), { code: 'NETWORK', retryable }),
    )
  }
})
