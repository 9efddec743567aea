/**
 * The line circuit (B): a segment is read in lines, all of the same length, and an element is predicted from those at the same place
 * of lines before it. For a convolution the lines are the taps of its kernels, so that a kernel's state is what its
 * taps so far say; else they are rows or columns. The state is not transmitted: it is a function of what is known, a hidden Markov chain whose
 * states are observed.
 *
 * History is in units of the element's own scale, so one predictor serves all of a tensor: with h = 1024 at the scale
 * of its class, `mean` predicts h and `spread` its magnitude, both linear. The mean chooses a table (and, if negative, turns the
 * sign around), the spread moves the class. Integers: h = 32 × value, and the mean is subtracted.
 */

/** A linear predictor over lines. */
export interface Lines {
  /** Which dimension of rows × columns × inner the lines run through: 0, 1 or 2. */
  readonly axis: number
  /** Distances, in lines, of the elements that predict. */
  readonly lags: readonly number[]
  /** Whether each line (of axis 2) has coefficients of its own. */
  readonly perLine: boolean
  /** In 1/64, from -128 to 127: `lags.length` for each line, or for all. */
  readonly mean: Int8Array
  /** The same for magnitudes; empty where classes stay. */
  readonly spread: Int8Array
  /** What a predicted magnitude, in steps of 128, adds to the class. 16 values from -8 to 8, or none. */
  readonly shifts: Int8Array
}

export const MAX_LAGS = 8
export const MAX_LAG = 255
/** Lines that may have coefficients of their own. */
export const MAX_LINE_SETS = 256
export const SHIFTS = 16
export const MOST_SHIFT = 8
/** Predictions fall into 16 steps of 128. */
export const STEPS = 16
const STEP_BITS = 7
/** History of integers: 32 a unit. */
export const UNIT_BITS = 5
/** The largest history of a float: eight times its scale. */
const MOST_HISTORY = 8191
/** The symbol's magnitude at a class' own scale: there history is 1024. */
export const CENTER = 88

/** 2^(-j/4) in 1/32768. */
const QUARTERS = [32768, 27554, 23170, 19484]

/**
 * History by magnitude (symbol >> 1, relative to the class) and quarter octave of the class: entry 4 · magnitude + quarter. Zero
 * and escape (magnitudes 0 and 1) have none.
 */
export function historyTable(): Int16Array {
  const table = new Int16Array(4 * 128)
  for (let magnitude = 2; magnitude < 128; magnitude++) {
    // 1024 at the center. All but the floor is exact: products stay below 2^53, and 2^k is a shift.
    const scale = 2 ** (((magnitude - CENTER) >> 2) + 8)
    for (let quarter = 0; quarter < 4; quarter++) {
      const value = (QUARTERS[quarter] * (4 + (magnitude & 3)) * scale) / 32768
      table[4 * magnitude + quarter] = Math.min(MOST_HISTORY, Math.floor(value))
    }
  }
  return table
}

const clamp16 = (value: number): number => Math.max(-32768, Math.min(32767, value))

/**
 * A prediction at `at` of line `line`: Σ (h · c + 32) >> 6, each sum saturated to 16 bits, over the lags in order that reach
 * back to a line of this tile.
 *
 * @param history of the tile, line by line
 * @param magnitudes whether |h| is summed instead of h
 */
export function predict(
  lines: Lines,
  coefficients: Int8Array,
  history: Int16Array,
  line: number,
  length: number,
  at: number,
  magnitudes: boolean,
): number {
  const set = lines.perLine ? line * lines.lags.length : 0
  let sum = 0
  for (let j = 0; j < lines.lags.length; j++) {
    const lag = lines.lags[j]
    if (lag > line) continue
    const h = history[(line - lag) * length + at]
    sum = clamp16(sum + (((magnitudes ? Math.abs(h) : h) * coefficients[set + j] + 32) >> 6))
  }
  return sum
}

/** The step of a prediction: min(15, |sum| >> 7); of a magnitude below 0, 0. */
export const stepOf = (sum: number): number => Math.min(STEPS - 1, Math.abs(sum) >> STEP_BITS)

/** What a spread adds to the class. The first line has nothing before it and keeps its class. */
export function shiftOf(lines: Lines, line: number, spread: number): number {
  return line === 0 || lines.shifts.length === 0 ? 0 : lines.shifts[stepOf(Math.max(0, spread))]
}

/** A predicted mean as an integer: rounded to units, kept within ±127. */
export const unitsOf = (mean: number): number =>
  Math.max(-127, Math.min(127, (mean + (1 << (UNIT_BITS - 1))) >> UNIT_BITS))
