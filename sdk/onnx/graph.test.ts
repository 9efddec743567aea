import assert from 'node:assert/strict'
import { test } from 'node:test'
import { makeGraph, makeNode, makeTensor, makeValue } from './build.ts'
import { feedsOf, indexGraph, tensorsOf } from './graph.ts'
import { readModel, writeModel } from './model.ts'
import { create } from './proto.ts'
import { convModel, functionModel, ifModel, ir3Model, randomTensor, sparseModel } from './sample-models.ts'

test('a chain of nodes: producers, consumers, constants', () => {
  const index = indexGraph(convModel().model.graph)
  assert.equal(index.producers.get('active')?.opType, 'Relu')
  assert.equal(index.producers.get('x'), undefined)
  assert.deepEqual(
    index.consumers.get('active')?.map((node) => node.opType),
    ['Reshape'],
  )
  assert.equal(index.consumers.get('y'), undefined)
  assert.deepEqual([...index.constants.keys()], ['kernel', 'bias', 'shape', 'dense'])
  assert.deepEqual([...index.captured], [])
})

test('a node reads what its subgraphs capture, however deep, and nothing that they make', () => {
  const inner = ifModel().model.graph
  const outer = makeGraph('outer', {
    nodes: [
      makeNode('Neg', ['a'], ['x']),
      makeNode('If', ['c'], ['y'], {
        then_branch: makeGraph('t', {
          nodes: [...inner.node, makeNode('Constant', [], ['condition'])],
          outputs: inner.output,
        }),
      }),
    ],
    inputs: [makeValue('a', 'float32', [1, 16]), makeValue('c', 'bool', [])],
    outputs: [],
  })
  const index = indexGraph(outer)
  assert.deepEqual(
    index.consumers.get('x')?.map((node) => node.opType),
    ['If'],
  )
  assert.equal(index.consumers.get('condition'), undefined)
  assert.deepEqual([...index.captured], [])
  const [then] = index.subgraphs
  assert.equal(then.owner, outer.node[1])
  assert.deepEqual([...then.captured], ['x'])
  assert.deepEqual(
    then.subgraphs.map(({ graph, constants }) => [graph.name, ...constants.keys()]),
    [
      ['then', 'w_then'],
      ['else', 'w_else'],
    ],
  )
})

test('what must be fed excludes inputs that are initializers', () => {
  assert.deepEqual(
    feedsOf(ir3Model().model.graph).map(({ name }) => name),
    ['x'],
  )
  const sparse = sparseModel().model.graph
  sparse.input.push(makeValue('w', 'float32', [16, 8]))
  assert.deepEqual(
    feedsOf(sparse).map(({ name }) => name),
    ['x'],
  )
})

test('tensors are found wherever a model can hold them', () => {
  const { model } = functionModel()
  const tensor = (name: string) => makeTensor(name, randomTensor([1], 1))
  const sparse = (name: string) =>
    create('SparseTensorProto', { values: tensor(name), indices: tensor(`${name}_at`), dims: [4] })
  const attributes = {
    t: tensor('t'),
    tensors: [tensor('list')],
    sparseTensor: sparse('sparse'),
    sparseTensors: [sparse('sparses')],
    graphs: [makeGraph('g', { nodes: [], outputs: [], initializers: [tensor('graphs')] })],
  }
  model.graph.node[0].attribute.push(create('AttributeProto', { name: 'all', ...attributes }))
  model.functions[0].attributeProto.push(create('AttributeProto', { name: 'default', t: tensor('default') }))
  model.graph.sparseInitializer.push(sparse('initializer'))
  const training = makeGraph('training', { nodes: [], outputs: [], initializers: [tensor('training')] })
  model.trainingInfo.push(create('TrainingInfoProto', { initialization: training, algorithm: training }))
  const names = [...tensorsOf(readModel(writeModel(model)))].map(({ name }) => name)
  assert.deepEqual(names, [
    ...['initializer', 'initializer_at', 't', 'list', 'sparse', 'sparse_at', 'sparses', 'sparses_at', 'graphs'],
    ...['default', '', 'training', 'training'],
  ])
})
