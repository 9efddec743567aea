/**
 * The decoder of blocks as a WebGPU shader: one workgroup of 32 threads a block, a thread a lane, so that a block is
 * decoded in as many steps as a lane has elements, and a chunk's blocks, or many chunks', at once. Integers only: the same bytes on
 * every GPU.
 *
 * The lanes take words from one sequence, in lane order: each says in a mask of 32 bits whether it needs one, and counts the
 * bits below its own (a prefix count; the masks of three steps take turns, so one barrier a step is enough). Escaped
 * elements are counted the same way; their places are listed, and the host fills them in. A thread reads no history but its
 * own: lags are whole lines, and every line begins in lane 0.
 */

import { LANES, LEAST_STATE, PROBABILITY_BITS, SYMBOLS, TOTAL } from '../coder/rans.ts'

/** The numbers, u32 each, that say what a block is. The first five are places in the buffers of a batch. */
export const BLOCK_FIELDS = [
  'tiles', // the first
  'data', // where the data of its section begin
  'tables', // the first of its stream
  'history', // where it has room for an i32 an element, if a tile has lines
  'output', // lanes that came back, escaped elements, elements, places of escaped elements
  'tileCount',
  'count', // elements
  'states', // in data; the words follow
  'words',
  'planes', // in data, each from a whole u32 on
  'tableCount',
  'bytes', // of an element
  'topBits', // 0: bytes
  'lowBits',
  'living',
  'dead',
  'lowBins', // 4 bits a step
  'highBins',
  'list', // after output: the places of escaped elements
  'escapes', // how many places it may list
] as const

/** The numbers, u32 each, that say what a tile is. Places in data count bytes. */
export const TILE_FIELDS = [
  'at',
  'lines',
  'length', // of a line
  'axis', // 3: no lines
  'columns',
  'inner',
  'rowLatents',
  'columnLatents',
  'innerLatents',
  'first', // table
  'center',
  'lagCount',
  'lags',
  'mean',
  'spread', // if it has one, its shifts follow
  'hasSpread',
  'shifts',
  'setStride', // coefficients from one line to the next
] as const

/** Threads that build one table, a symbol each. */
const BUILDERS = SYMBOLS

const struct = (name: string, fields: readonly string[]): string =>
  `struct ${name} {\n${fields.map((field) => `  ${field}: u32,\n`).join('')}}`

export const DECODE_WGSL = /* wgsl */ `
${struct('Block', BLOCK_FIELDS)}

${struct('Tile', TILE_FIELDS)}

@group(0) @binding(0) var<storage, read> frequencies: array<u32>;
@group(0) @binding(1) var<storage, read_write> built: array<u32>;

// Entry: (f - 1) << 20 | (slot - cum) << 8 | symbol
@compute @workgroup_size(${BUILDERS})
fn build(@builtin(workgroup_id) table: vec3u, @builtin(local_invocation_index) symbol: u32) {
  let pairs = table.x * ${SYMBOLS / 2};
  var slot = 0u;
  for (var pair = 0u; pair < symbol / 2; pair++) {
    slot += (frequencies[pairs + pair] & 0xffff) + (frequencies[pairs + pair] >> 16);
  }
  let own = frequencies[pairs + symbol / 2];
  slot += select(0, own & 0xffff, (symbol & 1) == 1);
  let frequency = (own >> (16 * (symbol & 1))) & 0xffff;
  for (var i = 0u; i < frequency; i++) {
    built[table.x * ${TOTAL} + slot + i] = ((frequency - 1) << 20) | (i << 8) | symbol;
  }
}

@group(0) @binding(0) var<storage, read> blocks: array<Block>;
@group(0) @binding(1) var<storage, read> tiles: array<Tile>;
@group(0) @binding(2) var<storage, read> data: array<u32>;
@group(0) @binding(3) var<storage, read> tables: array<u32>;
@group(0) @binding(4) var<storage, read_write> history: array<i32>;
@group(0) @binding(5) var<storage, read_write> output: array<atomic<u32>>;

const MASKS = 3u;
var<workgroup> needing: array<atomic<u32>, MASKS>;
var<workgroup> escaping: array<atomic<u32>, MASKS>;

// 'at' counts bytes from u32 number 'base' of the data.
fn byteAt(base: u32, at: u32) -> u32 {
  return extractBits(data[base + at / 4], 8 * (at & 3), 8u);
}

fn signedAt(base: u32, at: u32) -> i32 {
  return extractBits(bitcast<i32>(data[base + at / 4]), 8 * (at & 3), 8u);
}

fn planeElement(base: u32, width: u32, index: u32) -> u32 {
  if (width == 16) { return extractBits(data[base + index / 2], 16 * (index & 1), 16u); }
  if (width == 8) { return byteAt(base, index); }
  let size = 128 / width;
  let place = index & (size - 1);
  return extractBits(byteAt(base, 16 * (index / size) + (place & 15)), width * (place >> 4), width);
}

fn planeWords(width: u32, count: u32) -> u32 {
  if (width >= 8) { return (width / 8 * count + 3) / 4; }
  return 4 * ((count * width + 127) / 128);
}

// The raw low bits of element 'index' of a block.
fn restOf(block: Block, index: u32) -> u32 {
  var base = block.data + block.planes;
  var rest = 0u;
  var shift = 0u;
  for (var width = 16u; width > 0; width >>= 1) {
    if ((block.lowBits & width) == 0) { continue; }
    rest |= planeElement(base, width, index) << shift;
    shift += width;
    base += planeWords(width, block.count);
  }
  return rest;
}

// Predicted mean and spread, from the history of the same place in lines before.
fn predict(data0: u32, tile: Tile, past: u32, line: u32, place: u32) -> vec2i {
  let first = line * tile.setStride;
  var sums = vec2i();
  for (var j = 0u; j < tile.lagCount; j++) {
    let lag = byteAt(data0, tile.lags + j);
    if (lag > line) { continue; }
    let h = history[past + (line - lag) * tile.length + place];
    var c = vec2i(signedAt(data0, tile.mean + first + j), 0);
    if (tile.hasSpread != 0) { c.y = signedAt(data0, tile.spread + first + j); }
    sums = clamp(sums + ((vec2i(h, abs(h)) * c + 32) >> vec2u(6)), vec2i(-32768), vec2i(32767));
  }
  return sums;
}

fn stepOf(sum: i32) -> u32 {
  return min(15u, u32(abs(sum)) >> 7);
}

// Where element 'place' of line 'line' lies in its tile, row by row.
fn naturalOf(tile: Tile, line: u32, place: u32) -> u32 {
  switch (tile.axis) {
    case 0: { return line * tile.length + place; }
    case 1: { return (place / tile.inner * tile.columns + line) * tile.inner + place % tile.inner; }
    case 2: { return place * tile.inner + line; }
    default: { return place; }
  }
}

fn classOf(data0: u32, tile: Tile, natural: u32) -> u32 {
  let pair = natural / tile.inner;
  return min(255,
    byteAt(data0, tile.rowLatents + pair / tile.columns) +
    byteAt(data0, tile.columnLatents + pair % tile.columns) +
    byteAt(data0, tile.innerLatents + natural % tile.inner));
}

@compute @workgroup_size(${LANES})
fn decode(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
  let block = blocks[group.x];
  let data0 = block.data;
  let words = data0 + block.states + ${LANES};
  let isFloat = block.topBits > 0;
  let below = (1u << lane) - 1;
  var state = data[data0 + block.states + lane];
  let sound = state >= ${LEAST_STATE};
  var taken = 0u;
  var escaped = 0u;
  var turn = 0u;

  for (var number = 0u; number < block.tileCount; number++) {
    let tile = tiles[block.tiles + number];
    let past = block.history + tile.at;
    let hasLines = tile.axis < 3;
    for (var line = 0u; line < tile.lines; line++) {
      for (var start = 0u; start < tile.length; start += ${LANES}) {
        let place = start + lane;
        let here = place < tile.length;
        var natural = 0u;
        var q = 0u;
        var shifted = 0u;
        var mean = 0;
        var symbol = 0u;
        var escape = false;
        if (here) {
          natural = naturalOf(tile, line, place);
          q = classOf(data0, tile, natural);
          var shift = 0;
          if (hasLines && line > 0) {
            let sums = predict(data0, tile, past, line, place);
            mean = sums.x;
            if (tile.hasSpread != 0) { shift = signedAt(data0, tile.shifts + stepOf(max(0, sums.y))); }
          }
          var table = tile.first;
          if (!isFloat) {
            shifted = u32(clamp(i32(q) + shift, 0, i32(block.tableCount - 1 - tile.first)));
            table += shifted;
          } else if (q >= 128) {
            shifted = q;
            table = block.tableCount - 1;
          } else {
            shifted = u32(clamp(i32(q) + shift, 0, 127));
            let bin = stepOf(mean);
            let bins = select(block.lowBins, block.highBins, bin >= 8);
            table += select(0, 4 * extractBits(bins, 4 * (bin & 7), 4u), hasLines) + (shifted & 3);
          }
          let entry = tables[(block.tables + table) * ${TOTAL} + (state & ${TOTAL - 1})];
          state = ((entry >> 20) + 1) * (state >> ${PROBABILITY_BITS}) + ((entry >> 8) & ${TOTAL - 1});
          symbol = entry & 255;
          escape = isFloat && (symbol >> 1) == 1;
          if (state < ${LEAST_STATE}) { atomicOr(&needing[turn], 1u << lane); }
          if (escape) { atomicOr(&escaping[turn], 1u << lane); }
        }
        let following = select(turn + 1, 0, turn == MASKS - 1);
        if (lane == 0) {
          atomicStore(&needing[following], 0);
          atomicStore(&escaping[following], 0);
        }
        workgroupBarrier();
        let needed = atomicLoad(&needing[turn]);
        let escapes = atomicLoad(&escaping[turn]);
        turn = following;

        if (here) {
          if (state < ${LEAST_STATE}) {
            let word = taken + countOneBits(needed & below);
            state = (state << 16) | select(0, extractBits(data[words + word / 2], 16 * (word & 1), 16u), word < block.words);
          }
          var bits = 0u;
          var h = 0;
          if (isFloat) {
            let alive = q < 128;
            symbol ^= select(0u, 1u, alive && mean < 0);
            let magnitude = symbol >> 1;
            let top = magnitude + (shifted & ~3u) + select(block.dead, block.living, alive);
            bits = select(0, extractBits(top, 0, block.topBits), magnitude > 1);
            bits = ((((symbol & 1) << block.topBits) | bits) << block.lowBits) | restOf(block, tile.at + line * tile.length + place);
            if (hasLines && alive && magnitude > 1) {
              let relative = u32(clamp(i32(magnitude + (shifted & ~3u)) - i32(q & ~3u), 0, 127));
              h = select(1, -1, (symbol & 1) == 1) * i32(data[4 * relative + (q & 3)]);
            }
          } else {
            let units = clamp((mean + 16) >> 5, -127, 127);
            bits = (symbol + tile.center + bitcast<u32>(units)) & 255;
            h = extractBits(i32(bits - tile.center), 0, 8) << 5;
          }
          if (hasLines) { history[past + line * tile.length + place] = h; }
          let at = (tile.at + natural) * block.bytes;
          atomicOr(&output[block.output + 2 + at / 4], bits << (8 * (at & 3)));
          if (escape) {
            let rank = escaped + countOneBits(escapes & below);
            if (rank < block.escapes) { atomicStore(&output[block.output + block.list + rank], tile.at + natural); }
          }
        }
        taken += countOneBits(needed);
        escaped += countOneBits(escapes);
      }
    }
  }
  if (sound && state == ${LEAST_STATE} && taken == block.words) { atomicAdd(&output[block.output], 1); }
  if (lane == 0) { atomicStore(&output[block.output + 1], escaped); }
}
`
