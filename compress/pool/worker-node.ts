/** The worker of a pool in Node: a decoder with a kernel of its own, in a thread. */

import { type MessagePort, parentPort } from 'node:worker_threads'
import { bestDecoder } from '../decode.ts'
import { type Answer, answerTo, type Job } from './job.ts'

const port = parentPort as MessagePort
const decoder = await bestDecoder()

port.on('message', async (job: Job) => {
  const answer = await answerTo(decoder, job)
  port.postMessage(answer, [answer.memory])
})

port.postMessage({ ready: decoder.name } satisfies Answer)
