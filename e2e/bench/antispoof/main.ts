/**
 * Face anti-spoofing end to end, in Node and in Chromium: `npm run bench:antispoof`. Exit status 1 where targets differ in a
 * verdict.
 */

import { count } from '../../../sdk/cli/command.ts'
import { dataFolder, environment, writeResults } from '../environment.ts'
import { attackMetrics, metricsTable, sentenceOfFew } from './metrics.ts'
import { CLASSIFIER, CROPS, DETECTOR, GUARD, makePackages } from './packages.ts'
import { readPhotos } from './photos.ts'
import { runInChromium, runInNode } from './runs.ts'
import { differences, looksTable } from './verdicts.ts'

const note = (line: string): void => void process.stderr.write(`${line}\n`)
const print = (line = ''): void => void process.stdout.write(`${line}\n`)

const folder = dataFolder()
const photos =
  folder === undefined ? 'There is no data folder (../shared/data, or HARDPACK_DATA).' : await readPhotos(folder)
if (folder === undefined || typeof photos === 'string') print(`${photos} Nothing to measure.`)
else {
  const packages = await makePackages(folder, photos, note)
  note('judging the photos …')
  const inNode = await runInNode(packages, photos)
  const { runs: inChromium, skipped } = await runInChromium(packages, photos)
  const runs = [inNode, ...inChromium]
  const different = differences(inNode, inChromium)
  const metrics = attackMetrics(photos, inNode)

  print(`${DETECTOR} finds the face, ${CLASSIFIER} judges a crop of 1.5 times its size.`)
  print(
    `Guard: ${GUARD.map(({ kind }) => kind).join(', ')}; fitted on ${CROPS.fit} and calibrated on ${CROPS.calibrate} jittered crops of the two`,
  )
  print('genuine photos that are judged below. P-values from two photos mean nothing beyond this demonstration.')
  print(`Packages: ${count(packages.detector.length)} and ${count(packages.classifier.length)} bytes.`)
  print()
  print(looksTable(photos, runs))
  for (const { where, looks } of runs) {
    const reason = looks.find(({ look }) => look.degraded)?.look.degraded
    if (reason) print(`${where}: ${reason}`)
  }
  for (const reason of skipped) print(`Left out: ${reason}`)
  print()
  const verdict = inChromium.length === 0 ? 'not compared, Chromium is absent' : different.length === 0 ? 'yes' : 'NO'
  print(`Same verdicts in Node and in Chromium: ${verdict}`)
  for (const line of different) print(`  ${line}`)
  print()
  print(metricsTable(metrics))
  print()
  print(sentenceOfFew(metrics))
  const results = {
    detector: DETECTOR,
    classifier: CLASSIFIER,
    guard: GUARD,
    crops: CROPS,
    runs,
    skipped,
    different,
    metrics,
  }
  const written = await writeResults('antispoof', await environment('npm run bench:antispoof'), results)
  note(`Written to ${written}.`)
  if (different.length > 0) process.exitCode = 1
}
