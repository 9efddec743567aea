/** Shared memory between the thread that runs a target and its parent: how many inputs were begun, and the last of them. */

/** Inputs that the fuzzer can hold. */
export const LONGEST_INPUT = 1 << 20
export const SHARED_BYTES = 8 + LONGEST_INPUT

export interface Progress {
  begin(input: Uint8Array): void
  end(): void
  /** How many inputs were begun; 0 before the first and after the last. */
  begun(): number
  /** The last input. */
  input(): Uint8Array
}

/** The view of either side. */
export function progressOf(shared: SharedArrayBuffer): Progress {
  const numbers = new Int32Array(shared, 0, 2)
  const bytes = new Uint8Array(shared, 8)
  return {
    begin(input) {
      bytes.set(input)
      Atomics.store(numbers, 1, input.length)
      Atomics.add(numbers, 0, 1)
    },
    end: () => void Atomics.store(numbers, 0, 0),
    begun: () => Atomics.load(numbers, 0),
    input: () => bytes.slice(0, Atomics.load(numbers, 1)),
  }
}
