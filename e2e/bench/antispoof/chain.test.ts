/** The chain on photos and models that are made here, so that every box, crop and probability is known. */

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { rng, type Tensor } from '../../../sdk/core/index.ts'
import { open } from '../../../sdk/node.ts'
import {
  type GraphParts,
  makeGraph,
  makeModel,
  makeNode,
  makeTensor,
  makeValue,
  writeModel,
} from '../../../sdk/onnx/index.ts'
import { type PackOptions, pack } from '../../../sdk/pack/index.ts'
import type { Pixels } from '../../../sdk/pack/samples/resize.ts'
import type { Model } from '../../../sdk/run/model.ts'
import { node } from '../../../targets/node.ts'
import { type Chain, cropSquare, findFace, type Look, look, squareAround } from './chain.ts'
import { attackMetrics } from './metrics.ts'
import { jitteredCrops, type Photo } from './photos.ts'
import type { Run } from './runs.ts'
import { differences } from './verdicts.ts'

/** Powers of two: corners are exact in float32. */
const [WIDTH, HEIGHT] = [32, 32]
/** Left, top, right, bottom, in pixels of the detector's input. */
const CANDIDATES = [
  [0, 0, 8, 8],
  [16, 4, 24, 16],
  [8, 12, 16, 20],
]

const integers = (values: readonly number[]): Tensor => ({
  dtype: 'int64',
  shape: [values.length],
  data: BigInt64Array.from(values, BigInt),
})

const floats = (shape: readonly number[], values: readonly number[]): Tensor => ({
  dtype: 'float32',
  shape,
  data: Float32Array.from(values),
})

/** A detector whose score of a candidate is the mean of its green channel: 1 where all is 255. */
function detectorGraph(): GraphParts {
  const nodes = CANDIDATES.flatMap((_, i) => [
    makeNode('Slice', ['input', `start${i}`, `end${i}`, 'axes'], [`window${i}`]),
    makeNode('ReduceMean', [`window${i}`], [`mean${i}`], { axes: [1, 2, 3] }),
    makeNode('Reshape', [`mean${i}`, 'one'], [`score${i}`]),
  ])
  const initializers = CANDIDATES.flatMap(([left, top, right, bottom], i) => [
    makeTensor(`start${i}`, integers([1, top, left])),
    makeTensor(`end${i}`, integers([2, bottom, right])),
  ])
  const corners = CANDIDATES.flatMap(([left, top, right, bottom]) => [
    left / WIDTH,
    top / HEIGHT,
    right / WIDTH,
    bottom / HEIGHT,
  ])
  return {
    nodes: [
      ...nodes,
      makeNode(
        'Concat',
        CANDIDATES.map((_, i) => `score${i}`),
        ['faces'],
        { axis: 1 },
      ),
      makeNode('Sub', ['whole', 'faces'], ['background']),
      makeNode('Concat', ['background', 'faces'], ['scores'], { axis: 2 }),
      makeNode('Identity', ['corners'], ['boxes']),
    ],
    inputs: [makeValue('input', 'float32', [1, 3, HEIGHT, WIDTH])],
    outputs: [
      makeValue('scores', 'float32', [1, CANDIDATES.length, 2]),
      makeValue('boxes', 'float32', [1, CANDIDATES.length, 4]),
    ],
    initializers: [
      ...initializers,
      makeTensor('axes', integers([1, 2, 3])),
      makeTensor('one', integers([1, 1, 1])),
      makeTensor('whole', floats([1], [1])),
      makeTensor('corners', floats([1, CANDIDATES.length, 4], corners)),
    ],
  }
}

const SIDE = 8
const GAIN = 8

/** A classifier whose logits are 8 times the mean red (real) and the mean blue (spoof). */
function classifierGraph(): GraphParts {
  return {
    nodes: [
      makeNode('ReduceMean', ['crop'], ['colour'], { axes: [2, 3], keepdims: 0 }),
      makeNode('MatMul', ['colour', 'weights'], ['logits']),
    ],
    inputs: [makeValue('crop', 'float32', ['n', 3, SIDE, SIDE])],
    outputs: [makeValue('logits', 'float32', ['n', 2])],
    initializers: [makeTensor('weights', floats([3, 2], [GAIN, 0, 0, 0, 0, GAIN]))],
  }
}

/** A picture of one colour, with green in a box. */
function photoOf(
  size: readonly [number, number],
  [red, blue]: readonly [number, number],
  box?: readonly number[],
  green = 255,
): Pixels {
  const [width, height] = size
  const data = new Uint8Array(width * height * 3)
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const inside = box && x >= box[0] && x < box[2] && y >= box[1] && y < box[3]
      data.set([red, inside ? green : 0, blue], (y * width + x) * 3)
    }
  }
  return { width, height, channels: 3, data }
}

async function opened(graph: GraphParts, guard?: PackOptions['guard']): Promise<Model> {
  const model = writeModel(makeModel(makeGraph('made', graph)))
  const { bytes } = await pack(model, { name: 'made', effort: 'fast', guard })
  return open(bytes, { targets: [node({ threads: 1 })], trust: 'unsigned' })
}

let chain: Chain

before(async () => {
  const random = rng(1)
  const faces = Array.from({ length: 4 }, () => ({
    pixels: photoOf([16, 16], [random.below(256), random.below(256)]),
    box: { left: 2, top: 2, right: 10, bottom: 12 },
  }))
  const guard = {
    fit: jitteredCrops(faces, 20, 1, SIDE),
    calibrate: jitteredCrops(faces, 100, 2, SIDE),
    detectors: [{ kind: 'max-softmax' }],
  } as const
  chain = { detector: await opened(detectorGraph()), classifier: await opened(classifierGraph(), guard) }
})

after(async () => {
  await chain.detector.close()
  await chain.classifier.close()
})

test('the face is the candidate with the highest score, in pixels of the photo', async () => {
  const [across, down] = [4, 3]
  for (const [left, top, right, bottom] of CANDIDATES) {
    const box = [left * across, top * down, right * across, bottom * down]
    const face = await findFace(chain.detector, photoOf([WIDTH * across, HEIGHT * down], [0, 0], box))
    assert.deepEqual(face?.box, { left: box[0], top: box[1], right: box[2], bottom: box[3] })
    // The resize blurs the edge of the face.
    assert.ok(face.score > 0.75 && face.score <= 1, `${face.score}`)
  }
})

test('pixels become (x − 127) / 128', async () => {
  for (const green of [255, 223]) {
    const face = await findFace(chain.detector, photoOf([WIDTH, HEIGHT], [0, 0], CANDIDATES[1], green))
    assert.equal(face?.score, (green - 127) / 128)
  }
})

test('a photo without a face is refused, without a probability', async () => {
  const seen = await look(chain, photoOf([WIDTH, HEIGHT], [255, 255]))
  assert.deepEqual([seen.face, seen.label, seen.action], [undefined, 'none', 'reject'])
  assert.ok(Number.isNaN(seen.real))
})

test('P(real) is that of the colours, in the order red, green, blue; the guard says its p', async () => {
  for (const [red, blue] of [
    [200, 100],
    [100, 160],
  ] as const) {
    const seen = await look(chain, photoOf([64, 64], [red, blue], [32, 8, 48, 32]))
    const expected = 1 / (1 + Math.exp((GAIN * (blue - red)) / 255))
    assert.ok(Math.abs(seen.real - expected) < 1e-6, `${seen.real}, not ${expected}`)
    assert.equal(seen.label, red > blue ? 'real' : 'spoof')
    assert.deepEqual(
      seen.reasons.map(({ detector }) => detector),
      ['max-softmax'],
    )
    assert.ok(seen.p > 0 && seen.p <= 1)
  }
})

test('a square has 1.5 times the longer side of the face, in whole pixels, also outside the photo', () => {
  assert.deepEqual(squareAround({ left: 10, top: 20, right: 30, bottom: 60 }), { left: -10, top: 10, side: 60 })
  assert.deepEqual(squareAround({ left: 0, top: 0, right: 7, bottom: 5 }), { left: -1, top: -2, side: 10 })
})

test('outside the photo pixels are mirrored, as numpy.pad does with mode "reflect"', () => {
  const row = { width: 5, height: 1, channels: 1, data: Uint8Array.of(0, 1, 2, 3, 4) }
  const crop = cropSquare(row, { left: -3, top: 0, side: 11 })
  assert.deepEqual([...crop.data.subarray(0, 11)], [3, 2, 1, 0, 1, 2, 3, 4, 3, 2, 1])
  const grid = { width: 3, height: 3, channels: 1, data: Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8, 9) }
  const corner = cropSquare(grid, { left: 1, top: -1, side: 4 })
  assert.deepEqual([...corner.data], [5, 6, 5, 4, 2, 3, 2, 1, 5, 6, 5, 4, 8, 9, 8, 7])
})

test('jittered crops: the same for the same stream, none in two streams, all within 0 to 1', async () => {
  const faces = [{ pixels: photoOf([16, 16], [90, 200], [4, 4, 9, 9]), box: { left: 4, top: 4, right: 9, bottom: 9 } }]
  const all = Array.from({ length: 30 }, (_, i) => i)
  const [first, again, other] = await Promise.all(
    [1, 1, 2].map((stream) => jitteredCrops(faces, all.length, stream, SIDE).batch(all)),
  )
  assert.deepEqual(first, again)
  const size = 3 * SIDE * SIDE
  const rowsOf = ({ data }: Tensor): string[] => all.map((i) => String(data.slice(i * size, (i + 1) * size)))
  assert.equal(new Set([...rowsOf(first), ...rowsOf(other)]).size, 2 * all.length)
  assert.ok(Array.from(first.data, Number).every((value) => value >= 0 && value <= 1))
})

const REASON = { detector: 'max-softmax', score: 2, p: 0.01, threshold: 1 }

function runOf(where: string, looks: readonly Partial<Look>[]): Run {
  const plain: Look = { real: 0.9, label: 'real', action: 'accept', p: 0.5, reasons: [] }
  return { where, looks: looks.map((some, i) => ({ file: `photo ${i}`, look: { ...plain, ...some }, ms: 1 })) }
}

test('targets differ where label, action or the detectors that flag differ, and only there', () => {
  const mine = runOf('Node', [{}, { reasons: [REASON] }])
  assert.deepEqual(differences(mine, [runOf('there', [{ p: 0.6 }, { reasons: [{ ...REASON, score: 3 }] }])]), [])
  const others = runOf('there', [{ action: 'flag' }, { reasons: [{ ...REASON, score: 0 }] }])
  assert.deepEqual(differences(mine, [others]), [
    'photo 0: Node says real, accept, there says real, flag.',
    'photo 1: Node says real, accept, by max-softmax, there says real, accept.',
  ])
})

test('attacks that pass count for APCER, bona fide presentations that do not for BPCER', () => {
  const attacks = [undefined, undefined, 'print', 'replay']
  const photos = attacks.map((attack, i): Photo => {
    return { file: `photo ${i}`, path: '', attack, pixels: photoOf([1, 1], [0, 0]) }
  })
  const spoof = { real: 0.1, label: 'spoof' } as const
  const [alone, guarded] = attackMetrics(photos, runOf('Node', [{}, { action: 'flag' }, spoof, { action: 'reject' }]))
  assert.deepEqual([alone.metrics.worst.species, alone.metrics.worst.apcer.rate], ['replay', 1])
  assert.equal(alone.metrics.bpcer.rate, 0)
  assert.equal(guarded.metrics.worst.apcer.rate, 0)
  assert.deepEqual([guarded.metrics.bpcer.count, guarded.metrics.bpcer.total], [1, 2])
})
