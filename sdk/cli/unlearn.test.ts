import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { parseArgs } from 'node:util'
import { cluster, FLAT, outputsOf, perceptron } from '../../compress/prune/unlearn/classifier.fixture.ts'
import { readModel, writeModel } from '../onnx/index.ts'
import { type Io, UsageError } from './command.ts'
import { unlearnCommand } from './unlearn.ts'

let folder = ''
const at = (name: string): string => join(folder, name)

/** A `.npy` of clusters of some classes. */
async function write(name: string, classes: readonly number[], count: number, dims = FLAT): Promise<string> {
  const { data } = cluster(classes, count, dims, 7)
  const text = `{'descr': '<f4', 'fortran_order': False, 'shape': (${[count, ...dims].join(', ')}), }`
  const header = Buffer.from(`${text.padEnd(117)}\n`)
  const magic = Buffer.from([0x93, ...Buffer.from('NUMPY'), 1, 0, header.length & 0xff, header.length >> 8])
  const { buffer, byteLength } = data as Float32Array
  await writeFile(at(name), Buffer.concat([magic, header, Buffer.from(buffer, 0, byteLength)]))
  return at(name)
}

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'hardpack-'))
  await writeFile(at('model.onnx'), writeModel(await perceptron()))
  await write('forget.npy', [2], 100)
  await write('retain.npy', [0, 1, 3], 300)
  await write('few.npy', [2], 4)
  await write('wide.npy', [2], 20, [13])
})
after(() => rm(folder, { recursive: true, force: true }))

function recorder(json = false): Io & { lines: string[]; notes: string[]; stages: Set<string> } {
  const [lines, notes, stages] = [[] as string[], [] as string[], new Set<string>()]
  const { signal } = new AbortController()
  return {
    ...{ lines, notes, stages, json, signal },
    out: (line) => lines.push(line),
    note: (line) => notes.push(line),
    onProgress: ({ stage }) => stages.add(stage),
  }
}

const call = (io: Io, ...args: string[]): Promise<number> =>
  unlearnCommand.run(parseArgs({ args, options: unlearnCommand.options, allowPositionals: true }), io)

test('from samples to an edited model and a report', async () => {
  const io = recorder()
  const sets = ['--forget', at('forget.npy'), '--retain', at('retain.npy'), '--report', at('report.json')]
  assert.equal(await call(io, at('model.onnx'), ...sets), 0)
  const report = JSON.parse(await readFile(at('report.json'), 'utf8'))
  assert.equal(report.output, at('model-unlearned.onnx'))
  assert.deepEqual([report.class, report.edit, report.forgotten], [2, 'zero', true])
  assert.ok(io.stages.has('read samples') && io.stages.has('search'))
  assert.match(io.lines[0], /^model-unlearned\.onnx: class 2 in \d/)
  assert.match(
    io.lines[0],
    /^to forget {2}taken for the class: 9\d\.\d % before, 0\.0 % after, of 30 samples held back$/m,
  )
  assert.match(io.lines[0], /^layer +operator +weights +made zero +changed$/m)
  const x = cluster([2], 50, FLAT, 70)
  const model = readModel(await readFile(report.output))
  const { data } = (await outputsOf(model, x))[model.graph.output[0].name]
  let taken = 0
  for (let row = 0; row < 50; row++) {
    const scores = Array.from(data.slice(4 * row, 4 * row + 4), Number)
    if (scores.indexOf(Math.max(...scores)) === 2) taken++
  }
  assert.ok(taken <= 3, `${taken} of 50`)
})

test('JSON, and a class that is not quite forgotten is exit status 1', async () => {
  const io = recorder(true)
  const names = readModel(await readFile(at('model.onnx'))).graph.node.filter(({ opType }) => opType === 'Gemm')
  const layer = names[0].output[0]
  const status = await call(
    io,
    at('model.onnx'),
    '--forget',
    at('forget.npy'),
    '--layers',
    layer,
    '-o',
    at('alone.onnx'),
  )
  const record = JSON.parse(io.lines[0])
  assert.equal(record.output, at('alone.onnx'))
  assert.equal(record.retain, undefined)
  assert.deepEqual(
    record.layers.map(({ name }: { name: string }) => name),
    [layer],
  )
  assert.equal(status, record.forgotten ? 0 : 1)
  assert.equal(io.notes.length, status)
})

test('mistakes are told in one sentence, and nothing is written', async () => {
  const out = ['-o', at('never.onnx')]
  const forget = ['--forget', at('forget.npy')]
  await assert.rejects(call(recorder(), at('model.onnx'), ...out), UsageError)
  await assert.rejects(call(recorder(), ...forget, ...out), UsageError)
  await assert.rejects(call(recorder(), at('model.onnx'), ...forget, ...out, '--layers', 'a,'), UsageError)
  for (const [args, code, message] of [
    [['--forget', at('few.npy')], 'INVALID_INPUT', /Samples to forget expected at least 10, got 4/],
    [['--forget', at('wide.npy')], 'INVALID_INPUT', /expected samples for input "x" .*\[n,12\], got float32\[20,13\]/],
    [['--forget', at('absent')], 'IO', /expected a path that can be read/],
    [[...forget, '--layers', 'nowhere'], 'INVALID_ARGUMENT', /Layers to edit expected some of .*, got "nowhere"/],
    [[...forget, '-o', at('model.onnx')], 'INVALID_ARGUMENT', /./],
  ] as const) {
    await assert.rejects(call(recorder(), at('model.onnx'), ...out, ...args), { code, message })
  }
  await assert.rejects(call(recorder(), at('forget.npy'), ...forget, ...out), { code: 'INVALID_MODEL' })
  await assert.rejects(stat(at('never.onnx')))
})

test('every option has its line of help', () => {
  const names = unlearnCommand.help.map((line) => /--(\w+)/.exec(line)?.[1]).sort()
  assert.deepEqual(names, Object.keys(unlearnCommand.options).sort())
})
