/**
 * The tensors of a package for a terminal of 100 columns: the largest first, the small ones in one line, totals at the
 * end.
 */

import { type InspectedTensor, sumOf, type WeightSizes } from '../pack/inspect.ts'
import { count, table } from './command.ts'

const COLUMNS = 100
/** Rows of tensors before the small ones are summed. */
const ROWS = 20
const GAP = 2
/** Names are cut to what the other columns leave, but not below this. */
const LEAST_NAME = 10
/** Longer shapes and lists of circuits are cut. */
const MOST_SHAPE = 14
const MOST_CIRCUIT = 14

interface Column {
  readonly head: string
  readonly cell: (sizes: WeightSizes) => string
}

/** What a tensor, and a sum of tensors, is told by; to the right. */
const FIGURES: readonly Column[] = [
  { head: 'packed', cell: ({ packedBytes }) => count(packedBytes) },
  { head: 'bits', cell: ({ bitsPerWeight }) => bitsPerWeight.toFixed(2) },
  { head: 'over order-0', cell: ({ packedBytes, orderZeroBytes }) => gainOver(packedBytes, orderZeroBytes) },
  { head: 'over brotli', cell: ({ packedBytes, brotliBytes }) => gainOver(packedBytes, brotliBytes) },
]
const NAMES = ['tensor', 'type', 'shape', 'circuit']

/**
 * The table, without a line end. Bits are those of a weight; the gains over an order-0 code and over `brotli -11` say how much smaller the
 * packed bytes are than theirs, and are left out where they were not measured.
 *
 * @param weights all tensors together
 * @param all list every tensor
 */
export function tensorTable(tensors: readonly InspectedTensor[], weights: WeightSizes, all = false): string {
  const columns = FIGURES.filter(({ head }) => head !== 'over brotli' || weights.brotliBytes !== undefined)
  const figures = (sizes: WeightSizes): string[] => columns.map(({ cell }) => cell(sizes))
  const sorted = [...tensors].sort((a, b) => b.rawBytes - a.rawBytes)
  // A single one takes no more room than its sum.
  const shown = all || sorted.length <= ROWS + 1 ? sorted.length : ROWS
  const rest = sorted.slice(shown)
  const rows = sorted.slice(0, shown).map((tensor) => {
    const { name, dtype, shape, circuit } = tensor
    const shortShape = shorten(shape.join('×'), MOST_SHAPE)
    return [name, dtype, shortShape, shorten(circuit, MOST_CIRCUIT), ...figures(tensor)]
  })
  if (rest.length > 0) rows.push([`${rest.length} smaller`, '', '', '', ...figures(sumOf(rest))])
  rows.push([`all ${tensors.length}`, '', '', '', ...figures(weights)])
  const head = [...NAMES, ...columns.map((column) => column.head)]
  const others = head.slice(1).map((title, i) => Math.max(title.length, ...rows.map((row) => row[i + 1].length)) + GAP)
  const room = Math.max(LEAST_NAME, COLUMNS - others.reduce((sum, width) => sum + width, 0))
  const right = columns.map((_, i) => NAMES.length + i)
  return table([head, ...rows.map(([name, ...cells]) => [shorten(name, room), ...cells])], right)
}

/** How much smaller, in percent. */
function gainOver(packed: number, baseline: number | undefined): string {
  if (!baseline) return '–'
  const tenths = Math.round(1000 * (1 - packed / baseline))
  return `${(tenths / 10).toFixed(1)} %`
}

/** Cut in the middle: both ends of a name tell layers apart. */
function shorten(text: string, width: number): string {
  const letters = [...text]
  if (letters.length <= width) return text
  const head = Math.ceil((width - 1) / 2)
  return `${letters.slice(0, head).join('')}…${letters.slice(letters.length - (width - 1 - head)).join('')}`
}
