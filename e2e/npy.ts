/** For tests: arrays as files. */

/** A float32 array as NumPy saves it. */
export function npy(shape: readonly number[], data: Float32Array): Uint8Array {
  const dict = `{'descr': '<f4', 'fortran_order': False, 'shape': (${shape.join(', ')},), }`
  const header = dict.padEnd(Math.ceil((dict.length + 11) / 64) * 64 - 11 + 53).concat('\n')
  const head = Buffer.concat([Buffer.from('\x93NUMPY\x01\x00', 'latin1'), Buffer.alloc(2), Buffer.from(header)])
  head.writeUInt16LE(header.length, 8)
  return Buffer.concat([head, Buffer.from(data.buffer, data.byteOffset, data.byteLength)])
}
