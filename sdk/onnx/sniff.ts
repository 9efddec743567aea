/**
 * What a file that is not ONNX looks like. ONNX has no magic number, so a wrong file only shows as a protobuf that does
 * not parse; the usual wrong files have marks of their own, and naming one tells the user at once what happened.
 */

import { HardpackError, LENGTH, VARINT, WireReader } from '../core/index.ts'

interface Finding {
  readonly what: string
  readonly hint: string
}

interface Mark extends Finding {
  readonly at: number
  /** As Latin-1. */
  readonly bytes: string
}

const GIVE_ONNX = 'Give an ONNX file.'
const EXPORT = 'Export the model to ONNX first.'

const MARKS: readonly Mark[] = [
  { at: 0, bytes: 'version https://git-lfs', what: 'a Git LFS pointer', hint: 'Fetch the file itself: git lfs pull.' },
  { at: 0, bytes: '\x89HPK', what: 'a hardpack package', hint: 'Unpack it first.' },
  { at: 0, bytes: '\x89PNG', what: 'a PNG image', hint: GIVE_ONNX },
  { at: 0, bytes: '\xff\xd8\xff', what: 'a JPEG image', hint: GIVE_ONNX },
  { at: 0, bytes: '\x89HDF', what: 'an HDF5 file (Keras)', hint: EXPORT },
  { at: 0, bytes: 'PK\x03\x04', what: 'a ZIP archive (a PyTorch checkpoint is one)', hint: EXPORT },
  { at: 0, bytes: '\x1f\x8b', what: 'a gzip file', hint: 'Decompress it first.' },
  { at: 0, bytes: 'GGUF', what: 'a GGUF file', hint: EXPORT },
  { at: 4, bytes: 'TFL3', what: 'a TensorFlow Lite file', hint: 'Convert the model to ONNX first.' },
  { at: 4, bytes: 'ORTM', what: 'a model in ORT format', hint: 'Give the ONNX file that it was made from.' },
  { at: 8, bytes: '{"', what: 'a safetensors file, weights without a graph', hint: EXPORT },
]

/** A file that begins as ONNX does, with `ir_version`, and then goes wrong. */
function findDamage(bytes: Uint8Array): Finding | undefined {
  const reader = new WireReader(bytes)
  let hasVersion = false
  try {
    while (!reader.done) {
      const { field, type } = reader.tag()
      if (field === 1 && type === VARINT) hasVersion = true
      if (type !== LENGTH) {
        reader.skip(type)
        continue
      }
      const length = reader.varint()
      const rest = bytes.length - reader.position
      if (length > rest && hasVersion) {
        return { what: `one whose last ${length - rest} bytes are missing`, hint: 'Fetch or export it again, whole.' }
      }
      if (length > rest) return undefined
      reader.position += length
    }
  } catch {
    return undefined
  }
  return hasVersion ? { what: 'one with damaged content', hint: 'Fetch or export it again.' } : undefined
}

function identify(bytes: Uint8Array): Finding {
  if (bytes.length === 0) return { what: 'an empty file', hint: 'Export the model again.' }
  const head = String.fromCharCode(...bytes.subarray(0, 64))
  const mark = MARKS.find(({ at, bytes: magic }) => head.startsWith(magic, at))
  if (mark) return mark
  const text = head.replace(/^(\xef\xbb\xbf)?\s+/, '').toLowerCase()
  if (text.startsWith('<!doctype') || text.startsWith('<html')) {
    return { what: 'an HTML page', hint: 'Check the address that it was fetched from.' }
  }
  if (/^[\t\n\r -~]+$/.test(head)) return { what: 'a text file', hint: GIVE_ONNX }
  return findDamage(bytes) ?? { what: 'other bytes', hint: 'Give the file that an ONNX exporter wrote.' }
}

/** The error for bytes that are not an ONNX model, in one sentence that says what they look like. */
export function notOnnx(bytes: Uint8Array, cause?: unknown): HardpackError {
  const { what, hint } = identify(bytes)
  return new HardpackError('INVALID_MODEL', `The model expected a whole ONNX file, got ${what}.`, { hint, cause })
}
