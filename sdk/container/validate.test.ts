import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { sha256 } from '../core/index.ts'
import { DEFAULT_LIMITS, type Limits, limitsOf } from './limits.ts'
import type { Manifest } from './manifest.ts'
import { arbitrarySpec, type Contents, contentsOf, smallContents, withBase, withGuard } from './packages.fixture.ts'
import { checkBaseRanges, validateManifest } from './validate.ts'

type Mutable<T> = T extends Uint8Array ? T : { -readonly [Key in keyof T]: Mutable<T[Key]> }

async function manifestOf({ manifest, chunks }: Contents): Promise<Mutable<Manifest>> {
  const digest = await sha256(new Uint8Array())
  const entries = chunks.map(({ codec, bytes, rawLength, base = [] }) => {
    return { codec, encodedLength: bytes.length, rawLength, encodedDigest: digest, rawDigest: digest, base }
  })
  return structuredClone({ ...manifest, chunks: entries }) as Mutable<Manifest>
}

test('every valid manifest passes', async () => {
  await fc.assert(
    fc.asyncProperty(arbitrarySpec, async (spec) => {
      validateManifest(await manifestOf(await contentsOf(spec)), DEFAULT_LIMITS)
    }),
  )
})

const HUGE = Number.MAX_SAFE_INTEGER

/** One rule broken a line, and the words by which its error must be known. */
const BROKEN: [rule: string, message: RegExp, change: (manifest: Mutable<Manifest>) => void][] = [
  ['a package has a name', /name of the package expected a text/, (m) => (m.name = '')],
  ['a name is printable', /no control characters/, (m) => (m.name = '\u001b[2J')],
  ['a tensor name is printable', /no control characters/, (m) => (m.graphs[0].tensors[0].name = 'a\nb')],
  ['a feature has a name', /critical feature expected a text/, (m) => (m.critical = [''])],
  ['features are distinct', /features expected distinct/, (m) => (m.critical = ['a', 'a'])],
  ['a chunk is not empty', /Chunk 0 expected 1 to/, (m) => (m.chunks[0].encodedLength = 0)],
  ['a chunk does not grow', /Chunk 0 expected 1 to 13 encoded bytes, got 14/, (m) => (m.chunks[0].encodedLength = 14)],
  ['a chunk holds something', /expected 1 to 0/, (m) => (m.chunks[0].rawLength = 0)],
  ['there is a graph', /expected a graph, got none/, (m) => (m.graphs = [])],
  ['graphs are distinct', /graphs expected distinct/, (m) => m.graphs.push(m.graphs[0])],
  ['a graph has a name', /name of a graph expected/, (m) => (m.graphs[0].name = '')],
  ['a range names a chunk', /0 bytes of chunk 2/, (m) => (m.graphs[0].skeleton[0].chunk = 2)],
  ['a range starts in its chunk', /13 bytes of chunk 0/, (m) => (m.graphs[0].skeleton[0].start = 2)],
  ['a range start is not huge', /got 12 at 9007199254740991/, (m) => (m.graphs[0].skeleton[0].start = HUGE)],
  ['a range length is not huge', /got 9007199254740991 at 0/, (m) => (m.graphs[0].skeleton[0].length = HUGE)],
  ['a range is not empty', /got 0 at 0/, (m) => (m.graphs[0].skeleton[0].length = 0)],
  ['a tensor fills its shape', /Tensor "w" expected 12 bytes/, (m) => (m.graphs[0].tensors[0].shape = [3])],
  ['a tensor fills its type', /Tensor "w" expected 16 bytes/, (m) => (m.graphs[0].tensors[0].dtype = 'int64')],
  ['positions ascend', /Tensor "b" expected a position from 4/, (m) => (m.graphs[0].tensors[1].position = 3)],
  ['positions lie in the skeleton', /to 12, got 13/, (m) => (m.graphs[0].tensors[1].position = 13)],
  ['a graph has its length', /Graph "main" expected 24 bytes, got 23/, (m) => (m.graphs[0].byteLength = 24)],
  ['inputs are distinct', /expected distinct names/, (m) => m.graphs[0].inputs.push(m.graphs[0].inputs[0])],
  ['an output has a name', /input or output expected a text/, (m) => (m.graphs[0].outputs[0].name = '')],
  ['a golden case has a graph', /expected a graph below 1, got 1/, (m) => (m.golden[0].graph = 1)],
  ['a golden input is one', /"z" expected a value of its graph/, (m) => (m.golden[0].inputs[0].name = 'z')],
  ['a golden input has its type', /expected float32, got uint32/, (m) => (m.golden[0].inputs[0].dtype = 'uint32')],
  ['a golden input fills its shape', /expected 12 bytes/, (m) => (m.golden[0].inputs[0].shape = [3])],
  ['golden inputs are distinct', /distinct/, (m) => m.golden[0].inputs.push(m.golden[0].inputs[0])],
  ['a golden output is one', /"x" expected a value of its graph/, (m) => (m.golden[0].outputs[0].name = 'x')],
  ['samples are of the output', /1 to 5 samples, got 6/, (m) => (m.golden[0].outputs[0].samples = 6)],
  ['an output has samples', /1 to 5 samples, got 0/, (m) => (m.golden[0].outputs[0].samples = 0)],
  ['samples are float64', /expected 16 bytes of samples, got 8/, (m) => (m.golden[0].outputs[0].samples = 2)],
  ['a tolerance is finite', /finite tolerance/, (m) => (m.golden[0].outputs[0].tolerance = Number.POSITIVE_INFINITY)],
  ['a tolerance is a number', /finite tolerance/, (m) => (m.golden[0].outputs[0].tolerance = Number.NaN)],
  ['a tolerance is not negative', /finite tolerance/, (m) => (m.golden[0].outputs[0].tolerance = -1)],
  ['a seed has 32 bits', /seed below/, (m) => (m.golden[1].inputs[0].source = { seed: 2 ** 32, amplitude: 1 })],
  ['an amplitude is positive', /amplitude/, (m) => (m.golden[1].inputs[0].source = { seed: 1, amplitude: 0 })],
  ['no hole at the end of a chunk', /Chunk 1 .* hole at 18/, (m) => (m.golden[0].outputs = [])],
  ['no hole in a chunk', /Chunk 1 .* hole at 10/, (m) => (m.golden = [{ ...m.golden[0], inputs: [] }])],
]

const BROKEN_BASE: typeof BROKEN = [
  ['a base is a critical feature', /critical feature "base" and a base package, got one/, (m) => (m.critical = [])],
  ['the feature has a base', /critical feature "base" and a base package, got one/, (m) => delete m.base],
  ['a base is needed', /base package and chunks that need it/, (m) => (m.chunks[1].base = [])],
  [
    'a chunk with a base has one',
    /base package and chunks that need it/,
    (m) => {
      delete m.base
      m.critical = []
    },
  ],
  ['a base has a name', /name of the base package expected a text/, (m) => Object.assign(m.base ?? {}, { name: '' })],
  [
    'the name of a base is printable',
    /no control characters/,
    (m) => Object.assign(m.base ?? {}, { name: '\u001b[2J' }),
  ],
  [
    'a base is as long as its chunk',
    /Chunk 1 expected 26 bytes of its base, got 25/,
    (m) => m.chunks[1].base[0].length--,
  ],
  ['a base range is not empty', /at least 1 byte, got 0/, (m) => (m.chunks[1].base[0].length = 0)],
]

for (const [rule, message, change] of BROKEN_BASE) {
  test(`refused unless ${rule}`, async () => {
    const manifest = await manifestOf(withBase(await smallContents(), new Uint8Array(32)))
    validateManifest(manifest, DEFAULT_LIMITS)
    change(manifest)
    assert.throws(() => validateManifest(manifest, DEFAULT_LIMITS), { code: 'INVALID_FORMAT', message })
  })
}

type MutableGuard = NonNullable<Mutable<Manifest>['guard']>

const BROKEN_GUARD: [
  rule: string,
  message: RegExp,
  change: (guard: MutableGuard, manifest: Mutable<Manifest>) => void,
][] = [
  ['a guard is a critical feature', /"guard" and a guard, got one/, (_, m) => (m.critical = [])],
  ['the feature has a guard', /"guard" and a guard, got one/, (_, m) => delete m.guard],
  ['a guard has a tier', /1 to 8 tiers, got 0/, (g) => (g.tiers = [])],
  ['a tier has a graph', /Tier 1 .* expected a graph below 3, got 3/, (g) => (g.tiers[1].graph = 3)],
  ['tiers have graphs of their own', /tiers of the guard expected distinct/, (g) => (g.tiers[1].graph = 1)],
  ['the first tier runs always', /band of tier 0 expected 0 and 1/, (g) => (g.tiers[0].high = 0.5)],
  ['a band is one', /band of tier 1 expected 0 ≤ low < high ≤ 1, got 0.5 and 0.5/, (g) => (g.tiers[1].low = 0.5)],
  ['a band is a number', /band of tier 1/, (g) => (g.tiers[1].high = Number.NaN)],
  ['logits are an output', /logits of the guard expected a value of its graph, got "z"/, (g) => (g.logits = 'z')],
  ['a guard has a detector', /1 to 64 detectors, got 0/, (g) => (g.detectors = [])],
  ['detectors are distinct', /detectors expected distinct/, (g) => (g.detectors[1].name = 'a')],
  ['a detector has a name', /name of a detector expected a text/, (g) => (g.detectors[0].name = '')],
  ['a detector has a kind', /kind of a detector expected a text/, (g) => (g.detectors[0].kind = '')],
  ['a detector has a tier', /Detector "b" expected a tier below 2, got 2/, (g) => (g.detectors[1].tier = 2)],
  ['a detector has a score', /score of detector "a" expected a value/, (g) => (g.detectors[0].score = 'x')],
  ['a score is float32', /expected float32, got float16/, (_, m) => (m.graphs[1].outputs[1].dtype = 'float16')],
  ['a detector runs always', /first tier of the guard expected a detector/, (g) => (g.detectors[0].tier = 1)],
  ['a parameter has a name', /name of a parameter expected a text/, (g) => (g.detectors[0].parameters[0].name = '')],
  ['a parameter is printable', /no control characters/, (g) => (g.detectors[0].parameters[0].value = '\u001b[2J')],
  ['there is a calibration', /expected a calibration, got none/, (g) => (g.calibrations = [])],
  ['a calibration has a target', /expected a target, got none/, (g) => (g.calibrations[0].targets = [])],
  [
    'targets are distinct',
    /targets of the calibrations expected distinct/,
    (g) => g.calibrations[0].targets.push('node'),
  ],
  ['each detector has a table', /expected 2 tables, got 1/, (g) => g.calibrations[0].tables.pop()],
  ['a table is as long as it says', /expected 12 bytes, got 8/, (g) => (g.calibrations[0].tables[0].count = 3)],
  [
    'a table has a score',
    /table of the guard expected/,
    (g) => (g.calibrations[0].tables[0] = { count: 0, ranges: [] }),
  ],
  ['the combination has a table', /table of the guard/, (g) => (g.calibrations[0].combined = { count: 0, ranges: [] })],
  ['a policy rejects less than it flags', /0 < reject ≤ flag < 1, got 0.06/, (g) => (g.policy.reject = 0.06)],
  ['a policy is a number', /0 < reject ≤ flag < 1/, (g) => (g.policy.flag = Number.NaN)],
  ['a confidence is less than 1', /confidence of the guard/, (g) => (g.policy.confidence = 1)],
  [
    'a combination is known',
    /combination .* one of simes, cauchy, got "fisher"/,
    (g) => (g.policy.combination = 'fisher'),
  ],
  ['withholding is known', /withholding .* got "always"/, (g) => (g.policy.withhold = 'always')],
  [
    'room is for a detector',
    /room for classes expected a detector below 2/,
    (g) => Object.assign(g.room!, { detector: 2 }),
  ],
  ['room has features', /features of the room/, (g) => Object.assign(g.room!, { features: 'x' })],
  ['room has inputs', /input of the room/, (g) => Object.assign(g.room!, { means: 'score' })],
  ['room is bounded', /size of the room .* got 4097/, (g) => Object.assign(g.room!, { room: 4097 })],
  ['a rank is positive', /rank of the room .* got 0/, (g) => Object.assign(g.room!, { rank: 0 })],
  ['a class has a name', /name of a class/, (g) => g.room!.classes.push('')],
]

for (const [rule, message, change] of BROKEN_GUARD) {
  test(`refused unless ${rule}`, async () => {
    const manifest = await manifestOf(await withGuard(await smallContents()))
    validateManifest(manifest, DEFAULT_LIMITS)
    change(manifest.guard!, manifest)
    assert.throws(() => validateManifest(manifest, DEFAULT_LIMITS), { code: 'INVALID_FORMAT', message })
  })
}

test('a base is the package that is named, stands alone, and has what is asked of it', async () => {
  const contents = await smallContents()
  const manifest = await manifestOf(withBase(contents, new Uint8Array(32)))
  const itsBase = await manifestOf(contents)
  Object.assign(itsBase, {
    release: 2,
    chunks: [...itsBase.chunks, itsBase.chunks[0], { ...itsBase.chunks[0], rawLength: 18 }],
  })
  checkBaseRanges(manifest, itsBase)
  const wrong: [RegExp, Partial<Manifest>][] = [
    [/base of its own/, { base: manifest.base }],
    [/"digits" release 3/, { release: 3 }],
    [/"other" release 2/, { name: 'other' }],
    [/within the 0 bytes of base chunk 3, got 13 at 5/, { chunks: itsBase.chunks.slice(0, 3) }],
    [
      /within the 17 bytes of base chunk 3/,
      { chunks: itsBase.chunks.with(3, { ...itsBase.chunks[3], rawLength: 17 }) },
    ],
    [
      /within the 12 bytes of base chunk 0/,
      { chunks: itsBase.chunks.with(0, { ...itsBase.chunks[0], rawLength: 12 }) },
    ],
  ]
  for (const [message, change] of wrong) {
    assert.throws(() => checkBaseRanges(manifest, { ...itsBase, ...change }), { code: 'INVALID_FORMAT', message })
  }
})

for (const [rule, message, change] of BROKEN) {
  test(`refused unless ${rule}`, async () => {
    const manifest = await manifestOf(await smallContents())
    change(manifest)
    assert.throws(() => validateManifest(manifest, DEFAULT_LIMITS), { code: 'INVALID_FORMAT', message })
  })
}

const OVER: [limit: Partial<Limits>, message: RegExp, change: (manifest: Mutable<Manifest>) => void][] = [
  [{ chunks: 1 }, /number of chunks expected at most 1, got 2/, () => {}],
  [{ chunkBytes: 25 }, /chunk 1 expected at most 25, got 26/, () => {}],
  [{ modelBytes: 38 }, /all chunks expected at most 38, got 39/, () => {}],
  [{ modelBytes: 46 }, /graphs, golden cases and tables expected at most 46, got 47/, () => {}],
  [{ tensors: 1 }, /number of tensors expected at most 1, got 2/, () => {}],
  [{ rank: 2 }, /rank of "y" expected at most 2, got 3/, () => {}],
  [{ nameBytes: 13 }, /generator expected at most 13, got 14/, () => {}],
  [{ nameBytes: 14 }, /name of the package expected at most 14, got 15/, (m) => (m.name = '€€€€€')],
  [{}, /rank of Tensor "w" expected at most 8/, (m) => (m.graphs[0].tensors[0].shape = [2, 1, 1, 1, 1, 1, 1, 1, 1])],
  [{}, /size that a number can hold/, (m) => (m.graphs[0].tensors[0].shape = [HUGE, HUGE])],
  [{}, /size that a number can hold/, (m) => (m.golden[0].outputs[0].shape = [HUGE, HUGE])],
  [{}, /golden cases and tables expected at most 2147418112/, (m) => (m.golden[1].inputs[0].shape = [2 ** 29])],
]

test('over a limit: base ranges', async () => {
  for (const change of [{ chunk: 65_537 }, { start: HUGE }, { length: HUGE }]) {
    const manifest = await manifestOf(withBase(await smallContents(), new Uint8Array(32)))
    Object.assign(manifest.chunks[1].base[0], change)
    assert.throws(() => validateManifest(manifest, DEFAULT_LIMITS), { code: 'LIMIT_EXCEEDED', message: /base/ })
  }
})

for (const [limits, message, change] of OVER) {
  test(`over a limit: ${message.source}`, async () => {
    const manifest = await manifestOf(await smallContents())
    change(manifest)
    assert.throws(() => validateManifest(manifest, limitsOf(limits)), { code: 'LIMIT_EXCEEDED', message })
  })
}

test('one chunk named many times does not make a model larger than the limit', async () => {
  const manifest = await manifestOf(await smallContents())
  const [graph] = manifest.graphs
  const [tensor] = graph.tensors
  graph.tensors = Array.from({ length: 1000 }, () => tensor)
  graph.byteLength = 12 + 8000
  assert.throws(() => validateManifest(manifest, limitsOf({ modelBytes: 8000 })), { code: 'LIMIT_EXCEEDED' })
})

test('ranges cover a chunk in whatever order they come', async () => {
  const manifest = await manifestOf(await smallContents())
  const [w, b] = manifest.graphs[0].tensors
  w.ranges = [{ chunk: 1, start: 2, length: 8 }]
  b.ranges[0] = { chunk: 1, start: 0, length: 2 }
  validateManifest(manifest, DEFAULT_LIMITS)
})

test('an empty tensor has no range, however large its other dimensions', async () => {
  const manifest = await manifestOf(await smallContents())
  manifest.graphs[0].tensors.push({ ...manifest.graphs[0].tensors[1], shape: [HUGE, HUGE, 0], ranges: [] })
  validateManifest(manifest, DEFAULT_LIMITS)
})

test('a limit is a whole number', () => {
  for (const chunks of [-1, 1.5, Number.NaN, Number.POSITIVE_INFINITY]) {
    assert.throws(() => limitsOf({ chunks }), { code: 'INVALID_ARGUMENT' })
  }
  assert.deepEqual(limitsOf({ chunks: undefined }), DEFAULT_LIMITS)
})
