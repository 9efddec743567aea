/**
 * Where the chunks of a package lie. Offsets are derived, never stored: each chunk begins at the next multiple of 64
 * after what comes before it, so holes, overlaps and chunks outside the file cannot be expressed.
 */

const ALIGNMENT = 64

export interface Layout {
  /** Offset of each chunk in the file. */
  readonly offsets: readonly number[]
  /** Length of the file: the end of the last chunk. */
  readonly end: number
}

/**
 * @param headLength bytes of header, manifest and signature block
 * @param chunks the chunks in file order
 * @example
 * layOut(100, [{ encodedLength: 10 }, { encodedLength: 1 }]) // { offsets: [128, 192], end: 193 }
 */
export function layOut(headLength: number, chunks: readonly { readonly encodedLength: number }[]): Layout {
  let end = headLength
  const offsets = chunks.map(({ encodedLength }) => {
    const offset = Math.ceil(end / ALIGNMENT) * ALIGNMENT
    end = offset + encodedLength
    return offset
  })
  return { offsets, end }
}
