/** The worker of a pool in a browser (`hardpack/decode-worker`): a decoder with a kernel of its own. */

import { bestDecoder } from '../decode.ts'
import { type Answer, answerTo, type Job } from './job.ts'

const decoder = await bestDecoder()

self.addEventListener('message', async ({ data }: MessageEvent<Job>) => {
  const answer = await answerTo(decoder, data)
  self.postMessage(answer, { transfer: [answer.memory] })
})

self.postMessage({ ready: decoder.name } satisfies Answer)
