/** What every other room builds on. No dependency at all. */

export * from './bytes.ts'
export * from './crc32c.ts'
export * from './dtype.ts'
export * from './errors.ts'
export * from './median.ts'
export * from './progress.ts'
export * from './rng.ts'
export * from './sha256.ts'
export * from './source.ts'
export * from './tensor.ts'
export * from './wire.ts'
