/** The one error of the decoders: whatever is wrong with a chunk, this is what the caller sees. */

import { HardpackError } from '../sdk/core/index.ts'

/** `CHUNK_CORRUPT`, as "The chunk expected `what`.", where `what` also says what came. */
export function corrupt(what: string): HardpackError {
  return new HardpackError('CHUNK_CORRUPT', `The chunk expected ${what}.`, {
    hint: 'Fetch the file again: these bytes are damaged.',
  })
}
