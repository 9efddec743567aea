import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Tensor } from '../../sdk/core/index.ts'
import {
  type AttributeValue,
  Fragment,
  type Model,
  makeGraph,
  makeModel,
  makeNode,
  makeTensor,
  makeValue,
  opsetOf,
  writeModel,
} from '../../sdk/onnx/index.ts'
import { withFragment } from './passes.ts'
import { execute, noise, samplesOf } from './session.fixture.ts'
import { covarianceOf, crossStatisticsOf, statisticsOf } from './statistics.ts'
import type { Contraction, Observed } from './types.ts'
import { columnsOf, targetColumns, unfoldingOf } from './unfolding.ts'
import { layoutOf, matricesOf, tensorOfMatrices } from './weights.ts'

interface Case {
  readonly name: string
  readonly op: 'Conv' | 'ConvTranspose' | 'MatMul' | 'Gemm'
  readonly input: readonly number[]
  readonly weight: readonly number[]
  readonly output: readonly number[]
  readonly attributes?: Readonly<Record<string, AttributeValue>>
  readonly groups?: number
}

const CASES: readonly Case[] = [
  {
    name: 'kernel 3',
    op: 'Conv',
    input: [6, 4, 5, 7],
    weight: [3, 4, 3, 3],
    output: [6, 3, 5, 7],
    attributes: { pads: [1, 1, 1, 1] },
  },
  {
    name: 'stride, dilation, uneven pads',
    op: 'Conv',
    input: [6, 2, 9, 8],
    weight: [3, 2, 3, 2],
    output: [6, 3, 4, 4],
    attributes: { pads: [1, 0, 2, 1], strides: [2, 2], dilations: [2, 1] },
  },
  {
    name: 'padded by name',
    op: 'Conv',
    input: [6, 2, 5, 5],
    weight: [3, 2, 3, 3],
    output: [6, 3, 3, 3],
    attributes: { auto_pad: 'SAME_UPPER', strides: [2, 2] },
  },
  {
    name: 'padded by name, more at the beginning',
    op: 'Conv',
    input: [6, 2, 5, 6],
    weight: [3, 2, 3, 4],
    output: [6, 3, 5, 3],
    attributes: { auto_pad: 'SAME_LOWER', strides: [1, 2] },
  },
  {
    name: 'pointwise with stride',
    op: 'Conv',
    input: [6, 4, 5, 5],
    weight: [3, 4, 1, 1],
    output: [6, 3, 3, 3],
    attributes: { strides: [2, 2] },
  },
  {
    name: 'grouped',
    op: 'Conv',
    input: [6, 6, 4, 4],
    weight: [4, 3, 3, 3],
    output: [6, 4, 4, 4],
    attributes: { pads: [1, 1, 1, 1], group: 2 },
    groups: 2,
  },
  {
    name: 'depthwise',
    op: 'Conv',
    input: [6, 3, 4, 4],
    weight: [3, 1, 3, 3],
    output: [6, 3, 4, 4],
    attributes: { pads: [1, 1, 1, 1], group: 3 },
    groups: 3,
  },
  { name: 'one spatial axis', op: 'Conv', input: [6, 3, 9], weight: [2, 3, 3], output: [6, 2, 7] },
  {
    name: 'transposed',
    op: 'ConvTranspose',
    input: [6, 3, 4, 4],
    weight: [3, 2, 3, 3],
    output: [6, 2, 9, 9],
    attributes: { strides: [2, 2] },
  },
  {
    name: 'transposed and grouped',
    op: 'ConvTranspose',
    input: [6, 4, 4, 4],
    weight: [4, 2, 2, 2],
    output: [6, 4, 8, 8],
    attributes: { strides: [2, 2], group: 2 },
    groups: 2,
  },
  { name: 'tokens', op: 'MatMul', input: [6, 5, 4], weight: [4, 3], output: [6, 5, 3] },
  { name: 'Gemm', op: 'Gemm', input: [6, 4], weight: [3, 4], output: [6, 3], attributes: { transB: 1 } },
]

/** A model of one layer, between an `Identity` before and behind it. */
function modelOf({ op, input, weight, output, attributes = {}, groups = 1 }: Case): {
  model: Model
  observed: Map<string, Observed>
  contraction: Contraction
  weights: Tensor
  samples: Tensor
} {
  const weights = noise(weight, 1)
  const graph = makeGraph('one layer', {
    nodes: [
      makeNode('Identity', ['input'], ['x']),
      makeNode(op, ['x', 'w'], ['y'], attributes),
      makeNode('Identity', ['y'], ['output']),
    ],
    inputs: [makeValue('input', 'float32', ['n', ...input.slice(1)])],
    outputs: [makeValue('output', 'float32', ['n', ...output.slice(1)])],
    initializers: [makeTensor('w', weights)],
  })
  const seen = (shape: readonly number[]): Observed => ({ dtype: 'float32', shape: [2, ...shape.slice(1)] })
  const transposed = op === 'ConvTranspose' || op === 'MatMul'
  const samples = noise(input, 2)
  // Away from zero, so that means count.
  for (let i = 0; i < samples.data.length; i++) samples.data[i] = (samples.data[i] as number) + (i % 3)
  return {
    model: makeModel(graph),
    observed: new Map([
      ['x', seen(input)],
      ['y', seen(output)],
    ]),
    contraction: {
      output: 'y',
      op,
      kind: op === 'Conv' ? 'conv' : op === 'ConvTranspose' ? 'conv-transpose' : 'linear',
      input: 'x',
      channelAxis: op === 'Conv' || op === 'ConvTranspose' ? 1 : input.length - 1,
      weight: 'w',
      inputAxis: transposed ? 0 : 1,
      outputAxis: transposed ? 1 : 0,
      groups,
      inputs: input[op === 'MatMul' ? 2 : 1],
      outputs: output[op === 'MatMul' ? 2 : 1],
    },
    weights,
    samples,
  }
}

const close = (actual: ArrayLike<number>, expected: ArrayLike<number>, tolerance: number): void => {
  assert.equal(actual.length, expected.length)
  for (let i = 0; i < actual.length; i++) {
    assert.ok(Math.abs(actual[i] - expected[i]) < tolerance, `${i}: ${actual[i]} is not ${expected[i]}`)
  }
}

for (const one of CASES) {
  test(`columns of ${one.name} give the layer's outputs: moments of W u are those of y`, async () => {
    const { model, observed, contraction, weights, samples } = modelOf(one)
    const statistics = (await statisticsOf({ model, observed }, [contraction], samplesOf(samples), execute)).get('y')
    assert.ok(statistics)
    const layout = layoutOf(contraction, one.weight, false)
    const matrices = matricesOf(layout, weights.data as Float32Array)
    const session = await execute(await writeOf(model))
    const { output } = await session.run({ input: samples })
    await session.close()
    const { groups, rows, columns } = layout
    assert.equal(statistics.size, columns)
    const outputs = groups * rows
    // Outputs by channel, in float64.
    const last = one.op === 'MatMul' || one.op === 'Gemm'
    const places = output.data.length / outputs
    const inside = last ? 1 : places / one.input[0]
    const value = (channel: number, place: number): number =>
      last
        ? (output.data[place * outputs + channel] as number)
        : (output.data[(Math.floor(place / inside) * outputs + channel) * inside + (place % inside)] as number)
    assert.equal(statistics.rows, places)
    for (let g = 0; g < groups; g++) {
      const mean = new Float64Array(rows)
      const second = new Float64Array(rows * rows)
      const wantedMean = new Float64Array(rows)
      const wanted = new Float64Array(rows * rows)
      for (let a = 0; a < rows; a++) {
        for (let place = 0; place < places; place++) wantedMean[a] += value(g * rows + a, place) / places
        for (let i = 0; i < columns; i++) {
          mean[a] += matrices[(g * rows + a) * columns + i] * statistics.mean[g * columns + i]
        }
        for (let b = 0; b < rows; b++) {
          for (let place = 0; place < places; place++) {
            wanted[a * rows + b] += (value(g * rows + a, place) * value(g * rows + b, place)) / places
          }
          for (let i = 0; i < columns; i++) {
            for (let j = 0; j < columns; j++) {
              second[a * rows + b] +=
                matrices[(g * rows + a) * columns + i] *
                statistics.gram[(g * columns + i) * columns + j] *
                matrices[(g * rows + b) * columns + j]
            }
          }
        }
      }
      close(mean, wantedMean, 1e-4)
      close(second, wanted, 1e-3)
    }
  })

  test(`the cross moments of ${one.name} with its own output are W E[u uᵀ]`, async () => {
    const { model, observed, contraction, weights, samples } = modelOf(one)
    const aim = { contraction, input: 'x', target: 'y' }
    const moments = (await crossStatisticsOf({ model, observed }, model, [aim], samplesOf(samples), execute)).get(
      'y',
    )?.whole
    assert.ok(moments)
    const { groups, rows, columns } = layoutOf(contraction, one.weight, false)
    const matrices = matricesOf(layoutOf(contraction, one.weight, false), weights.data as Float32Array)
    const expected = new Float64Array(groups * rows * columns)
    for (let g = 0; g < groups; g++) {
      for (let row = g * rows; row < (g + 1) * rows; row++) {
        for (let i = 0; i < columns; i++) {
          for (let j = 0; j < columns; j++) {
            expected[row * columns + i] += matrices[row * columns + j] * moments.gram[(g * columns + j) * columns + i]
          }
        }
      }
    }
    close(moments.cross, expected, 1e-3)
  })

  test(`matrices of the weight of ${one.name} go back into its tensor`, () => {
    const { contraction, weights } = modelOf(one)
    for (const channelsOnly of [false, true]) {
      const layout = layoutOf(contraction, one.weight, channelsOnly)
      const back = tensorOfMatrices(layout, matricesOf(layout, weights.data as Float32Array), one.weight)
      assert.deepEqual(back, weights)
    }
  })
}

async function writeOf(model: Model): Promise<Uint8Array> {
  const { writeModel } = await import('../../sdk/onnx/index.ts')
  return writeModel(model)
}

test('layers that read the same columns share one object', async () => {
  const { model, observed, contraction, samples } = modelOf(CASES[0])
  model.graph.node.push(makeNode('Conv', ['x', 'w'], ['z'], { pads: [1, 1, 1, 1] }))
  observed.set('z', observed.get('y') as Observed)
  const both = [contraction, { ...contraction, output: 'z' }]
  const statistics = await statisticsOf({ model, observed }, both, samplesOf(samples), execute)
  assert.equal(statistics.get('y'), statistics.get('z'))
})

test('a column that would be too long has channels only', async () => {
  const one: Case = { name: '', op: 'Conv', input: [3, 300, 3, 3], weight: [2, 300, 3, 3], output: [3, 2, 1, 1] }
  const { model, observed, contraction, samples } = modelOf(one)
  const statistics = (await statisticsOf({ model, observed }, [contraction], samplesOf(samples), execute)).get('y')
  assert.equal(statistics?.size, 300)
  assert.equal(statistics.taps, 1)
  assert.equal(statistics.rows, 27)
  const channel = (c: number): number[] =>
    [0, 1, 2].flatMap((n) => Array.from({ length: 9 }, (_, i) => samples.data[(n * 300 + c) * 9 + i] as number))
  const product = channel(7).reduce((sum, value, i) => sum + value * channel(250)[i], 0) / 27
  close([statistics.gram[7 * 300 + 250]], [product], 1e-4)
  const covariance = covarianceOf(statistics)
  close([covariance[7 * 300 + 250]], [product - statistics.mean[7] * statistics.mean[250]], 1e-5)
})

test('of a map with far more positions than a column needs, only some are looked at', async () => {
  const one: Case = { name: '', op: 'Conv', input: [2, 1, 64, 64], weight: [1, 1, 1, 1], output: [2, 1, 64, 64] }
  const { model, observed, contraction, samples } = modelOf(one)
  const statistics = (await statisticsOf({ model, observed }, [contraction], samplesOf(samples), execute)).get('y')
  assert.equal(statistics?.rows, 2 * 11 * 11)
  // Every sixth, from the fourth on: the border is no larger a share than it is.
  let sum = 0
  for (let at = 0; at < samples.data.length; at++) {
    if ((at % 64) % 6 === 3 && (Math.floor(at / 64) % 64) % 6 === 3) sum += samples.data[at] as number
  }
  close(statistics.mean, [sum / 242], 1e-4)
})

for (const one of CASES.filter(({ output }) => output.length === 4)) {
  test(`fewer columns of ${one.name} are some of all columns, at the places of the targets`, async () => {
    const { model, observed, contraction, samples } = modelOf(one)
    const unfolding = unfoldingOf({ model, observed }, contraction)
    for (const step of [2, 3]) {
      const fragment = new Fragment({ opset: opsetOf(model), prefix: 'test' })
      const all = columnsOf(fragment, unfolding, 'x', 1)
      const few = columnsOf(fragment, unfolding, 'x', step)
      const targets = targetColumns(fragment, unfolding, 'y', step)
      const execution = await execute(writeModel(withFragment(model, fragment, [all, few, targets])))
      const { [all]: whole, [few]: part, [targets]: target } = await execution.run({ input: samples })
      await execution.close()
      const [, , height, width] = unfolding.channelsOnly ? one.input : one.output
      const [groups, size, columns] = whole.shape
      const chosen = Array.from({ length: columns }, (_, i) => i).filter((i) =>
        [Math.floor(i / width) % height, i % width].every((at) => at % step === Math.floor(step / 2)),
      )
      assert.deepEqual(part.shape, [groups, size, chosen.length])
      assert.equal(target.shape[2], chosen.length)
      const expected = Array.from({ length: groups * size }, (_, row) =>
        chosen.map((i) => whole.data[row * columns + i]),
      )
      assert.deepEqual([...part.data], expected.flat())
    }
  })
}
