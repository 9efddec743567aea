/** The part of istanbul-lib-instrument that we use; the package has no types of its own. */
declare module 'istanbul-lib-instrument' {
  interface Location {
    readonly start: { readonly line?: number; readonly column?: number }
  }

  export interface FileCoverage {
    readonly s: Readonly<Record<string, number>>
    readonly f: Readonly<Record<string, number>>
    readonly b: Readonly<Record<string, readonly number[]>>
    readonly branchMap: Readonly<
      Record<string, { readonly type: string; readonly loc: Location; readonly locations: readonly Location[] }>
    >
  }

  export function createInstrumenter(options: { esModules: boolean; compact: boolean }): {
    instrumentSync(code: string, filename: string): string
    lastFileCoverage(): FileCoverage
  }
}
