/** How a detector was fitted, for reports. */

import type { GuardParameter } from '../../container/manifest.ts'
import { reportName } from '../report-name.ts'

/** Parameters as a manifest takes them. */
export function parameterList(parameters: Readonly<Record<string, string>>): GuardParameter[] {
  return Object.entries(parameters).map(([name, value]) => ({ name, value: reportName(value) }))
}
