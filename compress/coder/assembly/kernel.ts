// The inner loops of the weights decoder in WebAssembly SIMD: the twin of `kernel.ts`, byte for byte.
// Memory is the caller's; these offsets are repeated in `wasm-kernel.ts`, and a test holds the two together by their results.

const BLOCK: usize = 1 << 16
const SLACK: usize = 256
const TABLES: usize = 1024 // below: the module's own constants
const PATTERN: usize = TABLES + 16 * 4096 * 4
const ROWS: usize = PATTERN + BLOCK + SLACK
const CLASSES: usize = ROWS + BLOCK + SLACK
const SYMBOLS: usize = CLASSES + BLOCK + SLACK
const ESCAPES: usize = SYMBOLS + BLOCK + SLACK
const INPUT: usize = ESCAPES + 2 * BLOCK + SLACK
const OUTPUT: usize = INPUT + 5 * BLOCK + 128 + SLACK

const STATE_BYTES: usize = 128

/** Where each scratch array begins, so that the caller need not repeat the sums. */
export function offset(index: i32): usize {
  if (index == 0) return TABLES
  if (index == 1) return PATTERN
  if (index == 2) return ROWS
  if (index == 3) return INPUT
  if (index == 4) return ESCAPES
  if (index == 5) return OUTPUT
  return OUTPUT + 4 * BLOCK + SLACK
}

/** Classes of [at, at + count): min(255, rows[i] + pattern[j]); stores run over the end by up to 15 bytes, into what comes next. */
export function spread(at: u32, count: u32, first: u32, length: u32): void {
  let to: usize = CLASSES + at
  const end: usize = to + count
  let row: usize = ROWS
  let column: usize = first
  while (to < end) {
    const add = i8x16.splat(load<i8>(row))
    const from: usize = PATTERN + column
    let left: usize = length - column
    if (left > end - to) left = end - to
    for (let i: usize = 0; i < left; i += 16) v128.store(to + i, i8x16.add_sat_u(v128.load(from + i), add))
    to += left
    column = 0
    row++
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

/** Decodes symbols: 32 states, then words, at INPUT. Returns 1 when all words are used and all states have come home. */
export function symbols(stream: i32, count: u32, words: u32): i32 {
  let position: usize = INPUT + STATE_BYTES
  const end: usize = position + 2 * words
  // Of floats, the quarter octave of a living class, and table 4 for the dead; of bytes, the class.
  const mask: u32 = stream == 3 ? 15 : 3
  const living: u32 = stream == 3 ? 255 : 127
  const masks = i16x8.splat(<i16>mask)
  const most = i16x8.splat(<i16>living)
  const dead = i16x8.splat(4)
  const slots = i32x4.splat(4095)
  const bytes = i32x4.splat(255)
  const least = i32x4.splat(0x10000)
  const one = i32x4.splat(1)

  const whole: u32 = count & ~31
  for (let i: u32 = 0; i < whole; i += 32) {
    for (let g: usize = 0; g < 32; g += 8) {
      const at: usize = INPUT + 4 * g
      const x0 = v128.load(at)
      const x1 = v128.load(at, 16)
      const classes = i16x8.extend_low_i8x16_u(v128.load64_zero(CLASSES + i + g))
      const chosen = v128.bitselect(dead, v128.and(classes, masks), i16x8.gt_u(classes, most))
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
      const w0 = i8x16.swizzle(v128.load64_zero(position), v128.load(SHUFFLES + set0 * 16))
      position += 2 * <usize>popcnt(set0)
      const w1 = i8x16.swizzle(v128.load64_zero(position), v128.load(SHUFFLES + set1 * 16))
      position += 2 * <usize>popcnt(set1)
      v128.store(at, v128.bitselect(v128.or(i32x4.shl(n0, 16), w0), n0, short0))
      v128.store(at, v128.bitselect(v128.or(i32x4.shl(n1, 16), w1), n1, short1), 16)
      const decoded = i16x8.narrow_i32x4_u(v128.and(e0, bytes), v128.and(e1, bytes))
      store<i64>(SYMBOLS + i + g, i64x2.extract_lane(i8x16.narrow_i16x8_u(decoded, decoded), 0))
    }
    if (position > end) return 0
  }
  for (let i: u32 = whole; i < count; i++) {
    const at: usize = INPUT + 4 * (i & 31)
    const x = load<u32>(at)
    const cls: u32 = load<u8>(CLASSES + i)
    const table: u32 = cls > living ? 4 : cls & mask
    const entry = load<u32>(TABLES + (((table << 12) | (x & 4095)) << 2))
    store<u8>(SYMBOLS + i, entry)
    let next: u32 = ((entry >> 20) + 1) * (x >> 12) + ((entry >> 8) & 4095)
    if (next < 0x10000) {
      if (position >= end) return 0
      next = (next << 16) | load<u16>(position)
      position += 2
    }
    store<u32>(at, next)
  }
  if (position != end) return 0
  for (let lane: usize = 0; lane < 32; lane++) if (load<u32>(INPUT + 4 * lane) != 0x10000) return 0
  return 1
}

// Escapes are rare: `escaped` is the cursor of merge(), and -1 once they have run out.
let escaped: i32 = 0

/** The `top` of 8 elements from `at` on. */
// @ts-ignore: decorator
@inline
function topOf(at: usize, living: v128, change: v128, available: i32): v128 {
  const symbol = i16x8.extend_low_i8x16_u(v128.load64_zero(SYMBOLS + at))
  const cls = i16x8.extend_low_i8x16_u(v128.load64_zero(CLASSES + at))
  const origin = i16x8.add(living, v128.and(i16x8.gt_u(cls, i16x8.splat(127)), change))
  const top = i16x8.add(i16x8.add(symbol, v128.and(cls, i16x8.splat(0xfc))), origin)
  const kept = v128.and(top, i16x8.gt_u(symbol, i16x8.splat(0)))
  const rare = i16x8.eq(symbol, i16x8.splat(1))
  if (!v128.any_true(rare)) return kept
  return withEscapes(kept, i16x8.bitmask(rare), available)
}

function withEscapes(top: v128, set: i32, available: i32): v128 {
  v128.store(SPILL, top)
  while (set != 0) {
    if (escaped < 0 || escaped >= available) {
      escaped = -1
      return top
    }
    store<u16>(SPILL + 2 * ctz(set), load<u16>(ESCAPES + 2 * escaped))
    escaped++
    set &= set - 1
  }
  return v128.load(SPILL)
}

const SPILL = memory.data(16)

/** Clears symbols after the last, so that whole vectors see no escape there. */
function clearTail(count: usize): void {
  for (let i: usize = 0; i < SLACK; i += 16) v128.store(SYMBOLS + count + i, i8x16.splat(0))
}

/** Sign, top and 5 low bits into 16 bits: 64 elements a round. */
function mergeBrain(count: usize, living: v128, change: v128, planes: usize, low: usize, available: i32, wide: bool): void {
  const nibbles: usize = planes
  const pairs: usize = planes + 16 * ((count + 31) >> 5)
  const four = i8x16.splat(15)
  const two = i8x16.splat(3)
  const tops = i16x8.splat(0x3ff)
  const five = i16x8.splat(31)
  const sign = i16x8.splat(32)
  for (let i: usize = 0; i < count; i += 16) {
    const quarter = <i32>((i >> 4) & 3)
    const nibble = i8x16.shr_u(v128.load(nibbles + ((i >> 5) << 4)), (quarter & 1) << 2)
    const pair = i8x16.shr_u(v128.load(pairs + ((i >> 6) << 4)), quarter << 1)
    const rest = v128.or(v128.and(nibble, four), i8x16.shl(v128.and(pair, two), 4))
    const r0 = i16x8.extend_low_i8x16_u(rest)
    const r1 = i16x8.extend_high_i8x16_u(rest)
    const t0 = v128.and(topOf(i, living, change, available), tops)
    const t1 = v128.and(topOf(i + 8, living, change, available), tops)
    const h0 = v128.or(v128.or(i16x8.shl(t0, 5), v128.and(r0, five)), i16x8.shl(v128.and(r0, sign), 10))
    const h1 = v128.or(v128.or(i16x8.shl(t1, 5), v128.and(r1, five)), i16x8.shl(v128.and(r1, sign), 10))
    if (wide) {
      const l0 = v128.load(low + 2 * i)
      const l1 = v128.load(low + 2 * i, 16)
      const to = OUTPUT + 4 * i
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
  const signs: usize = planes + count
  const one = i8x16.splat(1)
  const tops = i16x8.splat(127)
  for (let i: usize = 0; i < count; i += 16) {
    const low = v128.load(planes + i)
    const sign = v128.and(i8x16.shr_u(v128.load(signs + ((i >> 7) << 4)), <i32>((i >> 4) & 7)), one)
    const t0 = v128.and(topOf(i, living, change, available), tops)
    const t1 = v128.and(topOf(i + 8, living, change, available), tops)
    v128.store(
      OUTPUT + 2 * i,
      v128.or(
        v128.or(i16x8.extend_low_i8x16_u(low), i16x8.shl(t0, 8)),
        i16x8.shl(i16x8.extend_low_i8x16_u(sign), 15),
      ),
    )
    v128.store(
      OUTPUT + 2 * i,
      v128.or(
        v128.or(i16x8.extend_high_i8x16_u(low), i16x8.shl(t1, 8)),
        i16x8.shl(i16x8.extend_high_i8x16_u(sign), 15),
      ),
      16,
    )
  }
}

/** Joins symbols and planes at INPUT + planes into elements. Returns the escapes used, or -1 when there were too few. */
export function merge(stream: i32, count: u32, living: i32, dead: i32, planes: u32, available: i32): i32 {
  if (stream == 3) {
    memory.copy(OUTPUT, SYMBOLS, count)
    return 0
  }
  clearTail(count)
  escaped = 0
  const from: usize = INPUT + planes
  const base = i16x8.splat(<i16>living)
  const change = i16x8.splat(<i16>(dead - living))
  if (stream == 0) mergeBrain(count, base, change, from + 2 * <usize>count, from, available, true)
  else if (stream == 1) mergeBrain(count, base, change, from, 0, available, false)
  else mergeHalf(count, base, change, from, available)
  return escaped
}
