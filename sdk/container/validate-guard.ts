/** What the guard of a manifest must mean: every score, table and tier belongs to something, and the policy says something. */

import { malformed } from './limits.ts'
import type { GraphEntry, GuardEntry, GuardPolicy, GuardRoom, GuardTable, GuardTier, Manifest } from './manifest.ts'
import { checkDistinct, checkText, filledBytes, rangeBytes, type Scope } from './scope.ts'

/** The critical feature of a package with a guard: a reader that does not know it would run the model unguarded. */
export const GUARD_FEATURE = 'guard'

/** How p-values are combined, by the names of a policy. */
export const COMBINATIONS = ['simes', 'cauchy'] as const

/** From which action on outputs are withheld, by the names of a policy; each withholds what the one before does, and more. */
export const WITHHOLDING = ['never', 'indeterminate', 'reject', 'flag'] as const

const MAX_TIERS = 8
const MAX_DETECTORS = 64
/** The most classes that a device may add. */
export const MAX_ROOM = 4096

/** Checks the guard of a manifest; gives the bytes of its tables. */
export function guardBytes(scope: Scope, { guard, critical, graphs }: Manifest): number {
  if (critical.includes(GUARD_FEATURE) !== (guard !== undefined)) {
    throw malformed(`The package expected the critical feature "${GUARD_FEATURE}" and a guard, got one of them`)
  }
  if (!guard) return 0
  checkTiers(guard.tiers, graphs)
  const first = graphs[guard.tiers[0].graph]
  checkValue('The logits of the guard', guard.logits, first.outputs)
  checkDetectors(scope, guard, graphs)
  checkPolicy(guard.policy)
  const room = guard.room ? roomBytes(scope, guard.room, guard, first) : 0
  return room + calibrationBytes(scope, guard)
}

function checkTiers(tiers: readonly GuardTier[], graphs: readonly GraphEntry[]): void {
  if (tiers.length < 1 || tiers.length > MAX_TIERS) {
    throw malformed(`The guard expected 1 to ${MAX_TIERS} tiers, got ${tiers.length}`)
  }
  for (const [index, { graph, low, high }] of tiers.entries()) {
    if (!graphs[graph])
      throw malformed(`Tier ${index} of the guard expected a graph below ${graphs.length}, got ${graph}`)
    if (!(0 <= low && low < high && high <= 1) || (index === 0 && (low !== 0 || high !== 1))) {
      const expected = index === 0 ? '0 and 1' : '0 ≤ low < high ≤ 1'
      throw malformed(`The band of tier ${index} expected ${expected}, got ${low} and ${high}`)
    }
  }
  checkDistinct(
    'The tiers of the guard',
    tiers.map(({ graph }) => String(graph)),
  )
}

function checkDetectors({ limits }: Scope, { tiers, detectors }: GuardEntry, graphs: readonly GraphEntry[]): void {
  if (detectors.length < 1 || detectors.length > MAX_DETECTORS) {
    throw malformed(`The guard expected 1 to ${MAX_DETECTORS} detectors, got ${detectors.length}`)
  }
  for (const { name, kind, tier, score, parameters } of detectors) {
    checkText('The name of a detector', name, limits, 1)
    checkText('The kind of a detector', kind, limits, 1)
    for (const parameter of parameters) {
      checkText('The name of a parameter', parameter.name, limits, 1)
      checkText('The value of a parameter', parameter.value, limits)
    }
    if (!tiers[tier]) throw malformed(`Detector "${name}" expected a tier below ${tiers.length}, got ${tier}`)
    checkValue(`The score of detector "${name}"`, score, graphs[tiers[tier].graph].outputs)
  }
  checkDistinct(
    'The detectors',
    detectors.map(({ name }) => name),
  )
  if (!detectors.some(({ tier }) => tier === 0))
    throw malformed('The first tier of the guard expected a detector, got none')
}

function checkValue(what: string, name: string, values: GraphEntry['outputs']): void {
  const value = values.find((other) => other.name === name)
  if (!value) throw malformed(`${what} expected a value of its graph, got "${name}"`)
  if (value.dtype !== 'float32') throw malformed(`${what} expected float32, got ${value.dtype}`)
}

function checkPolicy({ flag, reject, confidence, combination, withhold }: GuardPolicy): void {
  if (!(0 < reject && reject <= flag && flag < 1)) {
    throw malformed(`The policy of the guard expected 0 < reject ≤ flag < 1, got ${reject} and ${flag}`)
  }
  if (!(0 <= confidence && confidence < 1)) {
    throw malformed(`The confidence of the guard expected 0 to less than 1, got ${confidence}`)
  }
  for (const [what, value, known] of [
    ['combination', combination, COMBINATIONS],
    ['withholding', withhold, WITHHOLDING],
  ] as const) {
    if ((known as readonly string[]).includes(value)) continue
    throw malformed(`The ${what} of the guard expected one of ${known.join(', ')}, got ${JSON.stringify(value)}`)
  }
}

/** Checks the room for classes; gives the bytes of its tensors. */
function roomBytes(scope: Scope, room: GuardRoom, { detectors }: GuardEntry, graph: GraphEntry): number {
  const what = 'The room for classes'
  if (!detectors[room.detector]) {
    throw malformed(`${what} expected a detector below ${detectors.length}, got ${room.detector}`)
  }
  checkValue(`The features of the room for classes`, room.features, graph.outputs)
  if (room.room < 1 || room.room > MAX_ROOM) throw malformed(`${what} expected 1 to ${MAX_ROOM}, got ${room.room}`)
  for (const name of room.classes) checkText('The name of a class', name, scope.limits, 1)
  checkDistinct('The classes of the guard', room.classes)
  if (room.counts.length !== room.classes.length || room.classes.length < 1) {
    throw malformed(`${what} expected a count for each of ${room.classes.length} classes, got ${room.counts.length}`)
  }
  if (!(room.restPrecision >= 0 && room.restPrecision < Number.POSITIVE_INFINITY)) {
    throw malformed(`${what} expected a finite precision of at least 0, got ${room.restPrecision}`)
  }
  checkDistinct(
    'The tensors of the guard',
    room.tensors.map(({ name }) => name),
  )
  return room.tensors.reduce((sum, { name, dtype, shape, ranges }) => {
    checkText('The name of a tensor of the guard', name, scope.limits, 1)
    return sum + filledBytes(scope, `Tensor "${name}" of the guard`, dtype, shape, ranges)
  }, 0)
}

function calibrationBytes(scope: Scope, { calibrations, detectors }: GuardEntry): number {
  if (calibrations.length === 0) throw malformed('The guard expected a calibration, got none')
  let total = 0
  for (const { targets, tables, combined } of calibrations) {
    if (targets.length === 0) throw malformed('A calibration expected a target, got none')
    for (const target of targets) checkText('The name of a target', target, scope.limits, 1)
    if (tables.length !== detectors.length) {
      throw malformed(`A calibration expected ${detectors.length} tables, got ${tables.length}`)
    }
    for (const table of tables) total += tableBytes(scope, table, 1)
    total += tableBytes(scope, combined, detectors.length > 1 ? 1 : 0)
  }
  checkDistinct(
    'The targets of the calibrations',
    calibrations.flatMap(({ targets }) => targets),
  )
  return total
}

/** @param least a single detector needs no table of the combined statistic */
function tableBytes(scope: Scope, { count, ranges }: GuardTable, least: number): number {
  const bytes = rangeBytes(scope, 'A table of the guard', ranges)
  if (count < least || bytes !== 4 * count)
    throw malformed(`A table of the guard expected ${4 * count} bytes, got ${bytes}`)
  return bytes
}
