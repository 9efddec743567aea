/** `hardpack unlearn model.onnx --forget ./class3 --retain ./others`: edits the weights until the class is forgotten. */

import { basename } from 'node:path'
import type { UnlearnReport } from '../../compress/prune/index.ts'
import { inlineExternalData, locateWeights, signatureOf } from '../onnx/index.ts'
import { checkOutput, readWhole, writeWhole } from '../pack/file.ts'
import { openSamples } from '../pack/samples/index.ts'
import { unlearnFile } from '../prune/unlearn-file.ts'
import { type Command, onlyFile, preprocessArgument, required, table, text, UsageError } from './command.ts'

export const unlearnCommand: Command = {
  summary: 'make a classifier forget a class, without labels or training',
  usage: '<model.onnx> --forget path [--retain path] [-o unlearned.onnx]',
  help: [
    '--forget PATH       samples of the class to forget: a folder of pictures, .npy or IDX; a few hundred',
    '--retain PATH       samples of the others, which are to stay as they are; without them they suffer',
    '-o, --output FILE   where to write; default: beside the model, as <name>-unlearned.onnx',
    '--layers LIST       outputs of the layers to edit, with commas between; default: the second half of the hidden ones',
    '--preprocess WORDS  how pictures become inputs, such as "range=0..1 mean=0.286 std=0.353"',
    '--report FILE       write what was done as JSON',
  ],
  options: {
    forget: { type: 'string' },
    retain: { type: 'string' },
    output: { type: 'string', short: 'o' },
    layers: { type: 'string' },
    preprocess: { type: 'string' },
    report: { type: 'string' },
  },
  async run(args, io) {
    const path = onlyFile(args, 'ONNX model')
    const forgetPath = required(args, 'forget', '--forget with samples of the class to forget')
    const retainPath = text(args, 'retain')
    const layers = text(args, 'layers')?.split(',')
    if (layers?.includes('')) throw new UsageError(`--layers expected names, got "${text(args, 'layers')}".`)
    const output = text(args, 'output') ?? `${path.replace(/\.onnx$/i, '')}-unlearned.onnx`
    const report = text(args, 'report')
    const preprocess = preprocessArgument(args)
    const read = await readWhole(path)
    for (const to of report === undefined ? [output] : [output, report]) await checkOutput(to, path)
    locateWeights(read) // Refuses what is no ONNX file before anything else looks at it.
    const file = await inlineExternalData(read, path)
    const [input] = signatureOf(file).inputs
    const open = (from: string) => openSamples(from, { input, preprocess })
    const result = await unlearnFile(file, {
      forget: await open(forgetPath),
      retain: retainPath === undefined ? undefined : await open(retainPath),
      layers,
      signal: io.signal,
      onProgress: io.onProgress,
    })
    await writeWhole(output, result.file)
    const record = { model: path, output, ...result.report }
    if (report !== undefined) await writeWhole(report, `${JSON.stringify(record, undefined, 1)}\n`)
    io.out(io.json ? JSON.stringify(record) : unlearnText(result.report, basename(output)))
    if (!result.report.forgotten) io.note('The class is not quite forgotten. Give more samples, or other --layers.')
    return result.report.forgotten ? 0 : 1
  },
}

/** What was done, for people. */
export function unlearnText(report: UnlearnReport, output: string): string {
  const { forget, retain, layers, edit, seconds } = report
  const percent = (share: number): string => `${(100 * share).toFixed(1)} %`
  const lines = [
    `${output}: class ${report.class} in ${seconds.toFixed(1)} s`,
    `to forget  taken for the class: ${percent(forget.before)} before, ${percent(forget.after)} after, of ${forget.samples} samples held back`,
    retain
      ? `to retain  another answer than before: ${percent(retain.disagreement)} of ${retain.samples} samples held back`
      : 'to retain  no samples: what the other classes lost is not known',
  ]
  const rows = layers.map(({ name, op, weights, edited, changed }) =>
    [name, op, weights, edited, changed].map((cell) =>
      typeof cell === 'number' ? cell.toLocaleString('en-US') : cell,
    ),
  )
  const head = ['layer', 'operator', 'weights', edit === 'zero' ? 'made zero' : 'negated', 'changed']
  return [...lines, table([head, ...rows], [2, 3, 4])].join('\n')
}
