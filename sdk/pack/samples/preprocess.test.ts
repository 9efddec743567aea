import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { ValueEntry } from '../../container/manifest.ts'
import type { DType } from '../../core/index.ts'
import {
  fitPicture,
  numbersOf,
  numberTensor,
  parsePreprocess,
  pictureFormat,
  pixelValuesOf,
  valuesOf,
} from './preprocess.ts'

const input = (shape: (number | string)[], dtype: DType = 'float32'): ValueEntry => ({ name: 'image', dtype, shape })

test('layout, channels, order and range follow from the shape and type of the input', () => {
  const nchw = pictureFormat(input(['n', 3, 4, 6]))
  assert.deepEqual([nchw.layout, nchw.channels, nchw.height, nchw.width, nchw.order], ['nchw', 3, 4, 6, 'rgb'])
  const nhwc = pictureFormat(input([1, 4, 6, 1], 'uint8'))
  assert.deepEqual([nhwc.layout, nhwc.order, nhwc.scale, nhwc.offset], ['nhwc', 'gray', [1], [0]])
  assert.deepEqual(pictureFormat(input(['n', 28, 28])).channels, 1)
  const open = pictureFormat(input(['n', 3, 'h', 'w']), { size: [10, 20] })
  assert.deepEqual([open.height, open.width], [10, 20])
})

test('mean and deviation are those of ImageNet as PyTorch applies them, in RGB and in BGR', () => {
  const words = 'mean=0.485,0.456,0.406 std=0.229,0.224,0.225'
  const format = pictureFormat(input(['n', 3, 1, 1]), parsePreprocess(words))
  const expected = [200, 100, 50].map((p, c) => (p / 255 - [0.485, 0.456, 0.406][c]) / [0.229, 0.224, 0.225][c])
  for (const [c, value] of valuesOf([200, 100, 50], format).entries()) assert.ok(Math.abs(value - expected[c]) < 1e-12)
  const caffe = pictureFormat(input(['n', 3, 1, 1]), parsePreprocess('order=bgr range=0..255 mean=104,117,123'))
  assert.deepEqual([...valuesOf([200, 100, 50], caffe)], [50 - 104, 100 - 117, 200 - 123])
})

test('NCHW holds planes, NHWC holds pixels', () => {
  const pixels = [1, 2, 3, 4, 5, 6]
  const raw = { range: [0, 255] as const }
  assert.deepEqual([...valuesOf(pixels, pictureFormat(input(['n', 3, 1, 2]), raw))], [1, 4, 2, 5, 3, 6])
  assert.deepEqual([...valuesOf(pixels, pictureFormat(input(['n', 1, 2, 3]), { ...raw, layout: 'nhwc' }))], pixels)
})

test('pixels to values and back is the identity', () => {
  const options = fc.record({
    order: fc.constantFrom('rgb' as const, 'bgr' as const),
    layout: fc.constantFrom('nchw' as const, 'nhwc' as const),
    low: fc.integer({ min: -2, max: 0 }),
    high: fc.integer({ min: 1, max: 255 }),
    std: fc.double({ min: 0.1, max: 9, noNaN: true }),
  })
  fc.assert(
    fc.property(
      options,
      fc.uint8Array({ minLength: 18, maxLength: 18 }),
      ({ order, layout, low, high, std }, pixels) => {
        const shape = layout === 'nchw' ? ['n', 3, 2, 3] : ['n', 2, 3, 3]
        const format = pictureFormat(input(shape), {
          order,
          layout,
          range: [low, high],
          mean: [0.1, 0.2, 0.3],
          std: [std],
        })
        assert.deepEqual(
          [...pixelValuesOf(valuesOf(pixels, format), format)].map((x) => Math.round(x * 1e6) / 1e6),
          [...pixels],
        )
      },
    ),
  )
})

test('the middle of a wide picture is cut out, or the whole is stretched', () => {
  const rgba = Uint8Array.from({ length: 4 * 8 * 2 }, (_, i) => (Math.floor(i / 4) % 8) * 30)
  const picture = { width: 8, height: 2, rgba }
  const cropped = fitPicture(picture, pictureFormat(input(['n', 1, 2, 2]), { fit: 'center-crop' }))
  assert.deepEqual([...cropped.data], [90, 120, 90, 120])
  const stretched = fitPicture(picture, pictureFormat(input(['n', 1, 2, 2])))
  assert.ok(stretched.data[0] < 60 && stretched.data[1] > 150)
})

test('values fit the type of the input', () => {
  assert.deepEqual(numberTensor('uint8', [3], Float64Array.of(-1, 1.5, 300)).data, Uint8Array.of(0, 2, 255))
  assert.deepEqual(numberTensor('int8', [2], Float64Array.of(-200, 127.4)).data, Int8Array.of(-128, 127))
  const half = numberTensor('float16', [2], Float64Array.of(1, -2.5))
  assert.deepEqual([...numbersOf(half)], [1, -2.5])
  assert.throws(() => numberTensor('int64', [1], Float64Array.of(1)), { code: 'INVALID_ARGUMENT', message: /int64/ })
})

test('words that say nothing are refused, by name', () => {
  for (const words of [
    'range=0',
    'range=1..1',
    'range=a..b',
    'mean=',
    'mean=1,,2',
    'std=0',
    'order=brg',
    'size=224',
    'colour=red',
    'rgb',
    'fit=stretch fit=stretch',
  ]) {
    assert.throws(() => parsePreprocess(words), {
      code: 'INVALID_ARGUMENT',
      message: /Preprocessing expected .*, got "/,
    })
  }
  assert.deepEqual(parsePreprocess(' fit=center-crop  size=224x192 layout=nhwc range=-1..1 '), {
    fit: 'center-crop',
    size: [224, 192],
    layout: 'nhwc',
    range: [-1, 1],
  })
})

test('an input that takes no pictures is refused in one sentence', () => {
  const refused = (shape: (number | string)[], preprocess: Parameters<typeof pictureFormat>[1], message: RegExp) =>
    assert.throws(() => pictureFormat(input(shape), preprocess), { code: 'INVALID_ARGUMENT', message })
  refused(['n', 640], {}, /shape of pictures.*\[n,640\]/)
  refused(['n', 4, 8, 8], {}, /shape of pictures/)
  refused(['n', 3, 'h', 'w'], {}, /height and width.*\[n,3,h,w\]/)
  refused(['n', 3, 8, 8], { size: [9, 8] }, /size=9x8 for/)
  refused(['n', 3, 8, 8], { mean: [1, 2] }, /3 means/)
  refused(['n', 3, 8, 8], { order: 'gray' }, /one channel/)
  refused(['n', 1, 8, 8], { order: 'bgr' }, /three channels/)
  assert.throws(() => pictureFormat(input(['n', 1, 8, 8], 'int64')), { message: /hold pixels, got int64/ })
})
