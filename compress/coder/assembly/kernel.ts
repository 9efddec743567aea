// The inner loops of the weights decoder in WebAssembly SIMD: the twin of `kernel.ts`, byte for byte.
// Memory is the caller's; `offset` says where each scratch array begins.

const BLOCK: usize = 1 << 16
const SLACK: usize = 256
const STATE_BYTES: usize = 128
const TABLE_BYTES: usize = 4096 * 4
/** Elements that go through all loops together, so that what lies between two loops stays near: a multiple of 32. */
const CHUNK: usize = 2048

const TABLES: usize = 1024 // below: the module's own constants
/** A table after the last, which leaves states as they are: for lanes beyond the end of a line. */
const IDENTITY: usize = 64
const LATENTS: usize = TABLES + (IDENTITY + 1) * TABLE_BYTES
const PATTERN: usize = LATENTS + 2 * BLOCK + SLACK
const CLASSES: usize = PATTERN + BLOCK + SLACK
const SYMBOLS: usize = CLASSES + BLOCK + SLACK
const HISTORY: usize = SYMBOLS + BLOCK + SLACK
const ESCAPES: usize = HISTORY + 2 * BLOCK + SLACK
const INPUT: usize = ESCAPES + 2 * BLOCK + SLACK
const OUTPUT: usize = INPUT + 5 * BLOCK + STATE_BYTES + SLACK
const NATURAL: usize = OUTPUT + 4 * BLOCK + SLACK
/** The tables of a chunk's elements. */
const CHOICES: usize = NATURAL + 4 * BLOCK + SLACK
/** Of floats with lines 1 where the sign turns around; of bytes what the prediction adds. */
const CHANGES: usize = CHOICES + CHUNK + SLACK
/** Of floats with lines: what the class has moved by, and its quarter octave before. */
const MOVES: usize = CHANGES + CHUNK + SLACK
/** The parameters of lines: 256 sets of up to 8 coefficients, twice; then 8 lags, 16 shifts, 16 bins. */
const MEAN: usize = MOVES + CHUNK + SLACK
const SPREAD: usize = MEAN + 2048
const LAGS: usize = SPREAD + 2048
const SHIFTS: usize = LAGS + 16
const BINS: usize = SHIFTS + 16
const HISTORIES: usize = BINS + 16
/** Of a line: where the history of each lag lies, and its coefficients, in every lane. */
const SOURCES: usize = HISTORIES + 1024
const MEANS: usize = SOURCES + 32
const SPREADS: usize = MEANS + 128
const FREQUENCIES: usize = SPREADS + 128
const END: usize = FREQUENCIES + 512

/** Where each scratch array begins, so that the caller need not repeat the sums. */
export function offset(index: i32): usize {
  if (index == 0) return FREQUENCIES
  if (index == 1) return LATENTS
  if (index == 2) return CLASSES
  if (index == 3) return SYMBOLS
  if (index == 4) return ESCAPES
  if (index == 5) return INPUT
  if (index == 6) return OUTPUT
  if (index == 7) return NATURAL
  if (index == 8) return MEAN
  if (index == 9) return SPREAD
  if (index == 10) return LAGS
  if (index == 11) return SHIFTS
  if (index == 12) return BINS
  if (index == 13) return HISTORIES
  return END
}

for (let slot: u32 = 0; slot < 4096; slot++) {
  store<u32>(TABLES + IDENTITY * TABLE_BYTES + 4 * slot, (4095 << 20) | (slot << 8))
}

/** Builds a decoding table from FREQUENCIES, which sum to 2^12. */
export function setTable(number: usize): void {
  let to: usize = TABLES + number * TABLE_BYTES
  const end: usize = to + TABLE_BYTES
  // Whole vectors run over the end of each symbol's entries; what follows the table is not ours.
  const next = v128.load(end)
  const step = i32x4.splat(4 << 8)
  for (let symbol: u32 = 0; symbol < 256; symbol++) {
    const frequency: usize = load<u16>(FREQUENCIES + 2 * symbol)
    if (frequency == 0) continue
    let entries = v128.or(i32x4.splat(((<u32>frequency - 1) << 20) | symbol), i32x4(0, 1 << 8, 2 << 8, 3 << 8))
    for (let i: usize = 0; i < frequency; i += 4) {
      v128.store(to + 4 * i, entries)
      entries = i32x4.add(entries, step)
    }
    to += 4 * frequency
  }
  v128.store(end, next)
}

/** Every sum of an element of `a` and one of `b`, saturated; stores run over the end by up to 15 bytes. */
function sums(to: usize, a: usize, lengthOfA: usize, b: usize, lengthOfB: usize): void {
  if (lengthOfB == 1) {
    const swap = a
    a = b
    b = swap
    lengthOfB = lengthOfA
    lengthOfA = 1
  }
  for (const end: usize = a + lengthOfA; a < end; a++) {
    const add = v128.load8_splat(a)
    for (let i: usize = 0; i < lengthOfB; i += 16) v128.store(to + i, i8x16.add_sat_u(v128.load(b + i), add))
    to += lengthOfB
  }
}

/** The classes of a tile in coded order: each line adds its latent to a pattern of the other two axes. */
export function spread(at: usize, rows: usize, columns: usize, inner: usize, axis: i32): void {
  const ofColumns: usize = LATENTS + rows
  const ofInner: usize = ofColumns + columns
  const to: usize = CLASSES + at
  if (axis == 0) {
    sums(PATTERN, ofColumns, columns, ofInner, inner)
    sums(to, LATENTS, rows, PATTERN, columns * inner)
  } else if (axis == 1) {
    sums(PATTERN, LATENTS, rows, ofInner, inner)
    sums(to, ofColumns, columns, PATTERN, rows * inner)
  } else {
    sums(PATTERN, LATENTS, rows, ofColumns, columns)
    sums(to, ofInner, inner, PATTERN, rows * columns)
  }
}

/** For each 4-bit set of lanes that take a word: which of the next words goes to which lane; 255 gives zero. */
const SHUFFLES = memory.data<u8>([
  255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255,
  0, 1, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255,
  255, 255, 255, 255, 0, 1, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255,
  0, 1, 255, 255, 2, 3, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255,
  255, 255, 255, 255, 255, 255, 255, 255, 0, 1, 255, 255, 255, 255, 255, 255,
  0, 1, 255, 255, 255, 255, 255, 255, 2, 3, 255, 255, 255, 255, 255, 255,
  255, 255, 255, 255, 0, 1, 255, 255, 2, 3, 255, 255, 255, 255, 255, 255,
  0, 1, 255, 255, 2, 3, 255, 255, 4, 5, 255, 255, 255, 255, 255, 255,
  255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 0, 1, 255, 255,
  0, 1, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 2, 3, 255, 255,
  255, 255, 255, 255, 0, 1, 255, 255, 255, 255, 255, 255, 2, 3, 255, 255,
  0, 1, 255, 255, 2, 3, 255, 255, 255, 255, 255, 255, 4, 5, 255, 255,
  255, 255, 255, 255, 255, 255, 255, 255, 0, 1, 255, 255, 2, 3, 255, 255,
  0, 1, 255, 255, 255, 255, 255, 255, 2, 3, 255, 255, 4, 5, 255, 255,
  255, 255, 255, 255, 0, 1, 255, 255, 2, 3, 255, 255, 4, 5, 255, 255,
  0, 1, 255, 255, 2, 3, 255, 255, 4, 5, 255, 255, 6, 7, 255, 255,
])

let position: usize = 0
let limit: usize = 0
let sound: bool = false

/** Begins a block: 32 states, then words, at INPUT. */
export function begin(words: u32): void {
  position = INPUT + STATE_BYTES
  limit = position + 2 * words
  sound = true
  for (let lane: usize = 0; lane < 32; lane++) if (load<u32>(INPUT + 4 * lane) < 0x10000) sound = false
}

/** 1 when all words are used and all states have come home. */
export function end(): i32 {
  if (!sound || position != limit) return 0
  for (let lane: usize = 0; lane < 32; lane++) if (load<u32>(INPUT + 4 * lane) != 0x10000) return 0
  return 1
}

/** Decodes up to a chunk of symbols by CHOICES, from lane 0 on; stores run over the end by up to 7 bytes. */
function symbols(to: usize, count: usize): void {
  v128.store(CHOICES + count, i8x16.splat(<i8>IDENTITY))
  const slots = i32x4.splat(4095)
  const bytes = i32x4.splat(255)
  const least = i32x4.splat(0x10000)
  const one = i32x4.splat(1)
  let from = position
  for (let i: usize = 0; i < count; i += 8) {
    const at: usize = INPUT + 4 * (i & 31)
    const x0 = v128.load(at)
    const x1 = v128.load(at, 16)
    const chosen = i16x8.extend_low_i8x16_u(v128.load64_zero(CHOICES + i))
    const c0 = i32x4.extend_low_i16x8_u(chosen)
    const c1 = i32x4.extend_high_i16x8_u(chosen)
    const i0 = i32x4.shl(v128.or(i32x4.shl(c0, 12), v128.and(x0, slots)), 2)
    const i1 = i32x4.shl(v128.or(i32x4.shl(c1, 12), v128.and(x1, slots)), 2)
    let e0 = v128.load32_zero(TABLES + <usize>i32x4.extract_lane(i0, 0))
    let e1 = v128.load32_zero(TABLES + <usize>i32x4.extract_lane(i1, 0))
    e0 = v128.load_lane<u32>(TABLES + <usize>i32x4.extract_lane(i0, 1), e0, 1)
    e1 = v128.load_lane<u32>(TABLES + <usize>i32x4.extract_lane(i1, 1), e1, 1)
    e0 = v128.load_lane<u32>(TABLES + <usize>i32x4.extract_lane(i0, 2), e0, 2)
    e1 = v128.load_lane<u32>(TABLES + <usize>i32x4.extract_lane(i1, 2), e1, 2)
    e0 = v128.load_lane<u32>(TABLES + <usize>i32x4.extract_lane(i0, 3), e0, 3)
    e1 = v128.load_lane<u32>(TABLES + <usize>i32x4.extract_lane(i1, 3), e1, 3)

    const n0 = i32x4.add(
      i32x4.mul(i32x4.add(i32x4.shr_u(e0, 20), one), i32x4.shr_u(x0, 12)),
      v128.and(i32x4.shr_u(e0, 8), slots),
    )
    const n1 = i32x4.add(
      i32x4.mul(i32x4.add(i32x4.shr_u(e1, 20), one), i32x4.shr_u(x1, 12)),
      v128.and(i32x4.shr_u(e1, 8), slots),
    )
    const short0 = i32x4.lt_u(n0, least)
    const short1 = i32x4.lt_u(n1, least)
    const set0: usize = i32x4.bitmask(short0)
    const set1: usize = i32x4.bitmask(short1)
    const w0 = i8x16.swizzle(v128.load64_zero(from), v128.load(SHUFFLES + set0 * 16))
    from += 2 * <usize>popcnt(set0)
    const w1 = i8x16.swizzle(v128.load64_zero(from), v128.load(SHUFFLES + set1 * 16))
    from += 2 * <usize>popcnt(set1)
    v128.store(at, v128.bitselect(v128.or(i32x4.shl(n0, 16), w0), n0, short0))
    v128.store(at, v128.bitselect(v128.or(i32x4.shl(n1, 16), w1), n1, short1), 16)
    const decoded = i16x8.narrow_i32x4_u(v128.and(e0, bytes), v128.and(e1, bytes))
    v128.store64_lane(to + i, i8x16.narrow_i16x8_u(decoded, decoded), 0)
  }
  position = from
}

/**
 * Decodes a tile without lines.
 *
 * @param first of integers the table of class 0; of floats that of the living
 * @param last of floats the table of the dead
 */
export function decode(at: usize, count: usize, float: bool, first: u32, last: u32, center: u32): void {
  const base = i8x16.splat(<i8>first)
  const dead = i8x16.splat(<i8>last)
  const quarters = i8x16.splat(3)
  const most = i8x16.splat(63)
  const zero = i8x16.splat(0)
  for (let done: usize = 0; done < count; done += CHUNK) {
    const size: usize = min(CHUNK, count - done)
    const classes: usize = CLASSES + at + done
    if (float) {
      for (let i: usize = 0; i < size; i += 16) {
        const q = v128.load(classes + i)
        const living = i8x16.add(base, v128.and(q, quarters))
        v128.store(CHOICES + i, v128.bitselect(dead, living, i8x16.lt_s(q, zero)))
      }
    } else {
      for (let i: usize = 0; i < size; i += 16) {
        v128.store(CHOICES + i, v128.and(i8x16.add(base, v128.load(classes + i)), most))
      }
    }
    symbols(SYMBOLS + at + done, size)
  }
  if (center == 0) return
  const add = i8x16.splat(<i8>center)
  const to: usize = SYMBOLS + at
  for (let i: usize = 0; i < count; i += 16) v128.store(to + i, i8x16.add(v128.load(to + i), add))
}

/** Prepares the predictors of a line: the lags that reach back to a line of the tile. Returns how many. */
function prepare(line: usize, length: usize, lags: usize, perLine: bool): usize {
  const set: usize = perLine ? line * lags : 0
  let used: usize = 0
  for (let j: usize = 0; j < lags; j++) {
    const lag: usize = load<u8>(LAGS + j)
    if (lag > line) continue
    store<u32>(SOURCES + 4 * used, <u32>(HISTORY + 2 * (line - lag) * length))
    v128.store(MEANS + 16 * used, i16x8.splat(load<i8>(MEAN + set + j) << 8))
    v128.store(SPREADS + 16 * used, i16x8.splat(load<i8>(SPREAD + set + j) << 8))
    used++
  }
  return used
}

/** Steps of 16 numbers of 16 bits that are not negative: min(15, number >> 7). */
// @ts-ignore: decorator
@inline
function stepsOf(low: v128, high: v128): v128 {
  return i8x16.min_u(i8x16.narrow_i16x8_u(i16x8.shr_u(low, 7), i16x8.shr_u(high, 7)), i8x16.splat(15))
}

/**
 * Predicts up to a chunk of a line: its choices, changes and, of floats, moves; these classes of floats become the moved ones.
 *
 * @param place of the first element in the line
 * @param used how many predictors `prepare` has prepared
 */
function predict(classes: usize, place: usize, size: usize, used: usize, moves: bool, float: bool, first: u32, last: u32): void {
  const zero = i16x8.splat(0)
  const three = i8x16.splat(3)
  const octaves = i8x16.splat(-4)
  const one = i8x16.splat(1)
  const half = i16x8.splat(16)
  const least = i8x16.splat(-127)
  const none = i8x16.splat(-128)
  const base = i8x16.splat(<i8>first)
  const dead = i8x16.splat(<i8>last)
  const most = i8x16.splat(<i8>(last - first))
  const shifts = v128.load(SHIFTS)
  const bins = i8x16.shl(v128.load(BINS), 2)
  for (let i: usize = 0; i < size; i += 16) {
    let m0 = zero
    let m1 = zero
    let n0 = zero
    let n1 = zero
    for (let j: usize = 0; j < used; j++) {
      const from: usize = <usize>load<u32>(SOURCES + 4 * j) + 2 * (place + i)
      const h0 = v128.load(from)
      const h1 = v128.load(from, 16)
      const c = v128.load(MEANS + 16 * j)
      m0 = i16x8.add_sat_s(m0, i16x8.q15mulr_sat_s(h0, c))
      m1 = i16x8.add_sat_s(m1, i16x8.q15mulr_sat_s(h1, c))
      if (moves) {
        const d = v128.load(SPREADS + 16 * j)
        n0 = i16x8.add_sat_s(n0, i16x8.q15mulr_sat_s(i16x8.abs(h0), d))
        n1 = i16x8.add_sat_s(n1, i16x8.q15mulr_sat_s(i16x8.abs(h1), d))
      }
    }
    const q = v128.load(classes + i)
    let moved = q
    if (moves) {
      const steps = stepsOf(i16x8.max_s(n0, zero), i16x8.max_s(n1, zero))
      moved = i8x16.max_s(i8x16.add_sat_s(q, i8x16.swizzle(shifts, steps)), zero)
    }
    if (float) {
      const bin = i8x16.swizzle(bins, stepsOf(i16x8.abs(m0), i16x8.abs(m1)))
      const isDead = i8x16.lt_s(q, zero)
      moved = v128.bitselect(q, moved, isDead)
      v128.store(classes + i, moved)
      const choice = i8x16.add(base, i8x16.add(bin, v128.and(moved, three)))
      v128.store(CHOICES + i, v128.bitselect(dead, choice, isDead))
      const negative = i8x16.narrow_i16x8_s(i16x8.shr_s(m0, 15), i16x8.shr_s(m1, 15))
      v128.store(CHANGES + i, v128.and(v128.andnot(negative, isDead), one))
      const by = i8x16.sub(v128.and(moved, octaves), v128.and(q, octaves))
      v128.store(MOVES + i, v128.bitselect(none, v128.or(by, v128.and(q, three)), isDead))
    } else {
      v128.store(CHOICES + i, i8x16.add(base, i8x16.min_s(i8x16.max_s(moved, zero), most)))
      const u0 = i16x8.shr_s(i16x8.add_sat_s(m0, half), 5)
      const u1 = i16x8.shr_s(i16x8.add_sat_s(m1, half), 5)
      v128.store(CHANGES + i, i8x16.max_s(i8x16.narrow_i16x8_s(u0, u1), least))
    }
  }
}

/** History at 8 places of HISTORIES, given in bytes. */
// @ts-ignore: decorator
@inline
function historiesAt(places: v128): v128 {
  let h = i16x8.splat(load<i16>(HISTORIES + <usize>i16x8.extract_lane_u(places, 0)))
  h = v128.load_lane<u16>(HISTORIES + <usize>i16x8.extract_lane_u(places, 1), h, 1)
  h = v128.load_lane<u16>(HISTORIES + <usize>i16x8.extract_lane_u(places, 2), h, 2)
  h = v128.load_lane<u16>(HISTORIES + <usize>i16x8.extract_lane_u(places, 3), h, 3)
  h = v128.load_lane<u16>(HISTORIES + <usize>i16x8.extract_lane_u(places, 4), h, 4)
  h = v128.load_lane<u16>(HISTORIES + <usize>i16x8.extract_lane_u(places, 5), h, 5)
  h = v128.load_lane<u16>(HISTORIES + <usize>i16x8.extract_lane_u(places, 6), h, 6)
  return v128.load_lane<u16>(HISTORIES + <usize>i16x8.extract_lane_u(places, 7), h, 7)
}

/**
 * Turns the signs of floats around where their change says so, and writes their history. Zeros and escapes need no care: a class
 * moves by 8 at most, and magnitudes up to 9 have none.
 */
function recordFloats(symbols: usize, history: usize, size: usize): void {
  const three = i8x16.splat(3)
  const octaves = i8x16.splat(-4)
  const zero = i8x16.splat(0)
  for (let i: usize = 0; i < size; i += 16) {
    const s = v128.xor(v128.load(symbols + i), v128.load(CHANGES + i))
    v128.store(symbols + i, s)
    const move = v128.load(MOVES + i)
    const magnitude = i8x16.max_s(i8x16.add_sat_s(i8x16.shr_u(s, 1), v128.and(move, octaves)), zero)
    const quarter = i8x16.shl(v128.and(move, three), 1)
    const p0 = i16x8.add(i16x8.shl(i16x8.extend_low_i8x16_u(magnitude), 3), i16x8.extend_low_i8x16_u(quarter))
    const p1 = i16x8.add(i16x8.shl(i16x8.extend_high_i8x16_u(magnitude), 3), i16x8.extend_high_i8x16_u(quarter))
    const sign0 = i16x8.shr_s(i16x8.shl(i16x8.extend_low_i8x16_u(s), 15), 15)
    const sign1 = i16x8.shr_s(i16x8.shl(i16x8.extend_high_i8x16_u(s), 15), 15)
    v128.store(history + 2 * i, i16x8.sub(v128.xor(historiesAt(p0), sign0), sign0))
    v128.store(history + 2 * i, i16x8.sub(v128.xor(historiesAt(p1), sign1), sign1), 16)
  }
}

/** Adds to bytes what their prediction and the center say, and writes their history. */
function recordBytes(symbols: usize, history: usize, size: usize, center: u32): void {
  const add = i8x16.splat(<i8>center)
  for (let i: usize = 0; i < size; i += 16) {
    const value = i8x16.add(v128.load(symbols + i), v128.load(CHANGES + i))
    v128.store(symbols + i, i8x16.add(value, add))
    v128.store(history + 2 * i, i16x8.shl(i16x8.extend_low_i8x16_s(value), 6))
    v128.store(history + 2 * i, i16x8.shl(i16x8.extend_high_i8x16_s(value), 6), 16)
  }
}

/** Decodes a tile of `number` lines, of which each has `length` elements. HISTORY is twice what the description says. */
export function decodeLines(
  at: usize, number: usize, length: usize, float: bool, first: u32, last: u32, center: u32, lags: usize, perLine: bool, moves: bool,
): void {
  for (let line: usize = 0; line < number; line++) {
    const start: usize = line * length
    const classes: usize = CLASSES + at + start
    // Whole vectors run over the end of a line; what follows is not theirs to move.
    const next = v128.load(classes + length)
    const used = prepare(line, length, lags, perLine)
    for (let done: usize = 0; done < length; done += CHUNK) {
      const size: usize = min(CHUNK, length - done)
      const to: usize = SYMBOLS + at + start + done
      const history: usize = HISTORY + 2 * (start + done)
      predict(classes + done, done, size, used, moves && line > 0, float, first, last)
      symbols(to, size)
      if (float) recordFloats(to, history, size)
      else recordBytes(to, history, size, center)
    }
    v128.store(classes + length, next)
  }
}

// Escapes are rare: `escaped` is the cursor of merge(), and -1 once they have run out.
let escaped: i32 = 0

const SPILL = memory.data(32)

/** Puts the escapes of a set of lanes into 8 tops. */
function withEscapes(tops: v128, set: i32, available: i32): v128 {
  v128.store(SPILL, tops)
  while (set != 0) {
    if (escaped < 0 || escaped >= available) {
      escaped = -1
      return tops
    }
    store<u16>(SPILL + 2 * ctz(set), load<u16>(ESCAPES + 2 * escaped))
    escaped++
    set &= set - 1
  }
  return v128.load(SPILL)
}

/** The `top` of 8 elements from `at` on, of which some may be dead, zero or escapes. */
function topsOf(at: usize, living: v128, change: v128, available: i32): v128 {
  const magnitude = i16x8.shr_u(i16x8.extend_low_i8x16_u(v128.load64_zero(SYMBOLS + at)), 1)
  const q = i16x8.extend_low_i8x16_u(v128.load64_zero(CLASSES + at))
  const origin = i16x8.add(living, v128.and(i16x8.gt_u(q, i16x8.splat(127)), change))
  const top = i16x8.add(i16x8.add(magnitude, v128.and(q, i16x8.splat(0xfc))), origin)
  const kept = v128.and(top, i16x8.gt_u(magnitude, i16x8.splat(0)))
  const rare = i16x8.bitmask(i16x8.eq(magnitude, i16x8.splat(1)))
  return rare ? withEscapes(kept, rare, available) : kept
}

/** Sign, top and 5 low bits into 16 bits; 16 more below them where `low` says where these lie. */
function mergeBrain(count: usize, living: v128, change: v128, planes: usize, low: usize, available: i32): void {
  const nibbles: usize = planes
  const bits: usize = planes + 16 * ((count + 31) >> 5)
  const four = i8x16.splat(15)
  const one = i8x16.splat(1)
  const special = i8x16.splat(4)
  const octaves = i8x16.splat(-4)
  const tops = i16x8.splat(0x7fe0)
  for (let i: usize = 0; i < count; i += 16) {
    const s = v128.load(SYMBOLS + i)
    const q = v128.load(CLASSES + i)
    let t0: v128
    let t1: v128
    if (i8x16.bitmask(v128.or(i8x16.lt_u(s, special), q))) {
      t0 = topsOf(i, living, change, available)
      t1 = topsOf(i + 8, living, change, available)
    } else {
      const t = i8x16.add(i8x16.shr_u(s, 1), v128.and(q, octaves))
      t0 = i16x8.add(i16x8.extend_low_i8x16_u(t), living)
      t1 = i16x8.add(i16x8.extend_high_i8x16_u(t), living)
    }
    const nibble = v128.and(i16x8.shr_u(v128.load(nibbles + ((i >> 5) << 4)), <i32>((i >> 2) & 4)), four)
    const bit = v128.and(i16x8.shr_u(v128.load(bits + ((i >> 7) << 4)), <i32>((i >> 4) & 7)), one)
    const rest = v128.or(nibble, i16x8.shl(bit, 4))
    const h0 = v128.or(
      v128.or(v128.and(i16x8.shl(t0, 5), tops), i16x8.extend_low_i8x16_u(rest)),
      i16x8.shl(i16x8.extend_low_i8x16_u(s), 15),
    )
    const h1 = v128.or(
      v128.or(v128.and(i16x8.shl(t1, 5), tops), i16x8.extend_high_i8x16_u(rest)),
      i16x8.shl(i16x8.extend_high_i8x16_u(s), 15),
    )
    if (low) {
      const l0 = v128.load(low + 2 * i)
      const l1 = v128.load(low + 2 * i, 16)
      const to: usize = OUTPUT + 4 * i
      v128.store(to, i8x16.shuffle(l0, h0, 0, 1, 16, 17, 2, 3, 18, 19, 4, 5, 20, 21, 6, 7, 22, 23))
      v128.store(to, i8x16.shuffle(l0, h0, 8, 9, 24, 25, 10, 11, 26, 27, 12, 13, 28, 29, 14, 15, 30, 31), 16)
      v128.store(to, i8x16.shuffle(l1, h1, 0, 1, 16, 17, 2, 3, 18, 19, 4, 5, 20, 21, 6, 7, 22, 23), 32)
      v128.store(to, i8x16.shuffle(l1, h1, 8, 9, 24, 25, 10, 11, 26, 27, 12, 13, 28, 29, 14, 15, 30, 31), 48)
    } else {
      v128.store(OUTPUT + 2 * i, h0)
      v128.store(OUTPUT + 2 * i, h1, 16)
    }
  }
}

/** Sign, top and 8 low bits into 16 bits. */
function mergeHalf(count: usize, living: v128, change: v128, planes: usize, available: i32): void {
  const special = i8x16.splat(4)
  const octaves = i8x16.splat(-4)
  const most = i8x16.splat(127)
  const origin = i8x16.narrow_i16x8_u(v128.and(living, i16x8.splat(127)), v128.and(living, i16x8.splat(127)))
  for (let i: usize = 0; i < count; i += 16) {
    const s = v128.load(SYMBOLS + i)
    const q = v128.load(CLASSES + i)
    let t: v128
    if (i8x16.bitmask(v128.or(i8x16.lt_u(s, special), q))) {
      const t0 = v128.and(topsOf(i, living, change, available), i16x8.splat(127))
      const t1 = v128.and(topsOf(i + 8, living, change, available), i16x8.splat(127))
      t = i8x16.narrow_i16x8_u(t0, t1)
    } else t = v128.and(i8x16.add(i8x16.add(i8x16.shr_u(s, 1), v128.and(q, octaves)), origin), most)
    const high = v128.or(t, i8x16.shl(s, 7))
    const low = v128.load(planes + i)
    const to: usize = OUTPUT + 2 * i
    v128.store(to, i8x16.shuffle(low, high, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23))
    v128.store(to, i8x16.shuffle(low, high, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31), 16)
  }
}

/** Joins symbols and planes at INPUT + planes into elements. Returns the escapes used, or -1 when there were too few. */
export function merge(stream: i32, count: u32, living: i32, dead: i32, planes: u32, available: i32): i32 {
  // Zeros after the last symbol: whole vectors see no escape there.
  v128.store(SYMBOLS + count, i8x16.splat(0))
  escaped = 0
  const from: usize = INPUT + planes
  const base = i16x8.splat(<i16>living)
  const change = i16x8.splat(<i16>(dead - living))
  if (stream == 0) mergeBrain(count, base, change, from + 2 * <usize>count, from, available)
  else if (stream == 1) mergeBrain(count, base, change, from, 0, available)
  else mergeHalf(count, base, change, from, available)
  return escaped
}

/** Columns `first` to `first` + 7 of `lines` lines of 1, 2 or 4 bytes an element become 8 rows; stores stay in 8 streams. */
function transpose(from: usize, to: usize, lines: usize, length: usize, bytes: usize): void {
  const stride: usize = lines * bytes
  const whole: usize = length & ~7
  for (let place: usize = 0; place < whole; place += 8) {
    let at: usize = from + place * bytes
    let into: usize = to + place * stride
    for (const end: usize = into + stride; into < end; into += bytes, at += length * bytes) {
      if (bytes == 1) {
        const v = v128.load64_zero(at)
        v128.store_lane<u8>(into, v, 0)
        v128.store_lane<u8>(into + stride, v, 1)
        v128.store_lane<u8>(into + 2 * stride, v, 2)
        v128.store_lane<u8>(into + 3 * stride, v, 3)
        v128.store_lane<u8>(into + 4 * stride, v, 4)
        v128.store_lane<u8>(into + 5 * stride, v, 5)
        v128.store_lane<u8>(into + 6 * stride, v, 6)
        v128.store_lane<u8>(into + 7 * stride, v, 7)
      } else if (bytes == 2) {
        const v = v128.load(at)
        v128.store_lane<u16>(into, v, 0)
        v128.store_lane<u16>(into + stride, v, 1)
        v128.store_lane<u16>(into + 2 * stride, v, 2)
        v128.store_lane<u16>(into + 3 * stride, v, 3)
        v128.store_lane<u16>(into + 4 * stride, v, 4)
        v128.store_lane<u16>(into + 5 * stride, v, 5)
        v128.store_lane<u16>(into + 6 * stride, v, 6)
        v128.store_lane<u16>(into + 7 * stride, v, 7)
      } else {
        for (let half: usize = 0; half < 2; half++) {
          const v = v128.load(at + 16 * half)
          const own: usize = into + 4 * half * stride
          v128.store_lane<u32>(own, v, 0)
          v128.store_lane<u32>(own + stride, v, 1)
          v128.store_lane<u32>(own + 2 * stride, v, 2)
          v128.store_lane<u32>(own + 3 * stride, v, 3)
        }
      }
    }
  }
  for (let place: usize = whole; place < length; place++) {
    let at: usize = from + place * bytes
    let into: usize = to + place * stride
    for (const end: usize = into + stride; into < end; into += bytes, at += length * bytes) {
      if (bytes == 1) store<u8>(into, load<u8>(at))
      else if (bytes == 2) store<u16>(into, load<u16>(at))
      else store<u32>(into, load<u32>(at))
    }
  }
}

/**
 * Brings a tile with lines along axis 1 or 2 into natural order, at NATURAL. Elements of 1 byte are symbols.
 */
export function reorder(at: usize, rows: usize, columns: usize, inner: usize, axis: i32, bytes: usize): void {
  const from: usize = bytes == 1 ? SYMBOLS + at : OUTPUT + bytes * at
  if (axis == 2) return transpose(from, NATURAL, inner, rows * columns, bytes)
  if (inner == 1) return transpose(from, NATURAL, columns, rows, bytes)
  const run: usize = inner * bytes
  let to: usize = NATURAL
  for (let row: usize = 0; row < rows; row++) {
    for (let column: usize = 0; column < columns; column++) {
      const own: usize = from + (column * rows + row) * run
      for (let i: usize = 0; i < run; i += 16) v128.store(to + i, v128.load(own + i))
      to += run
    }
  }
}
