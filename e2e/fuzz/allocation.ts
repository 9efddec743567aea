/** Counts the bytes of typed arrays as they are asked for, and refuses more than a limit before any memory is taken. */

const NAMES = [
  'Uint8Array',
  'Int8Array',
  'Uint16Array',
  'Int16Array',
  'Uint32Array',
  'Int32Array',
  'Float32Array',
  'Float64Array',
] as const

type TypedArrayConstructor = (typeof globalThis)[(typeof NAMES)[number]]

export interface AllocationMeter {
  /** Constructors that count, for instrumented modules to use in place of the global ones. */
  readonly arrays: Readonly<Record<string, unknown>>
  /** Begins a new count with this limit, in bytes. */
  reset(limit: number): void
}

/** The names of the constructors, as a destructuring pattern: `{ Uint8Array, … }`. */
export const ARRAY_NAMES = `{ ${NAMES.join(', ')} }`

export function allocationMeter(): AllocationMeter {
  let allocated = 0
  let limit = Number.POSITIVE_INFINITY
  const metered = (original: TypedArrayConstructor): unknown =>
    new Proxy(original, {
      construct(target, args: [unknown, ...unknown[]]) {
        const [first] = args
        // A view of a buffer takes no memory.
        if (!(first instanceof ArrayBuffer || first instanceof SharedArrayBuffer)) {
          const length = typeof first === 'number' ? first : ((first as ArrayLike<unknown> | undefined)?.length ?? 0)
          allocated += length * target.BYTES_PER_ELEMENT
        }
        if (allocated > limit) throw new RangeError(`expected at most ${limit} bytes of arrays, got ${allocated}`)
        return Reflect.construct(target, args)
      },
    })
  return {
    arrays: Object.fromEntries(NAMES.map((name) => [name, metered(globalThis[name])])),
    reset(most) {
      allocated = 0
      limit = most
    },
  }
}
