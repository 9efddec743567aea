/**
 * The data of `bench:prune`. Fashion-MNIST: training images to calibrate on (from Debian's `dataset-fashion-mnist` where the data
 * folder has none), all 10,000 test images to measure on. CIFAR-10: three lossless sheets of 1,000 training images each, an image a
 * row; 500 drawn to calibrate on, the other 2,500 to measure on.
 */

import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { PNG } from 'pngjs'
import type { ValueEntry } from '../../../sdk/container/manifest.ts'
import { shuffled, type Tensor } from '../../../sdk/core/index.ts'
import { openSamples, type SampleSet, subset, tensorSamples } from '../../../sdk/pack/samples/index.ts'
import { parsePreprocess } from '../../../sdk/pack/samples/preprocess.ts'
import { fashionMnistFiles } from '../fashion-mnist.ts'

const INPUT: ValueEntry = { name: 'input', dtype: 'float32', shape: ['n', 1, 28, 28] }

/** Unlabelled samples to calibrate on. */
export const CALIBRATION = 500
export const SEED = 0

const SHEETS = [0, 1, 2]
const SHEET_LABELS = 'cifar10_batch_0-2_labels.bin'
const SIDE = 32
const MEAN = [0.485, 0.456, 0.406]
const DEVIATION = [0.229, 0.224, 0.225]

/** A set to calibrate on and one, with labels, to measure on. */
export interface Halves {
  readonly calibrate: SampleSet
  readonly test: SampleSet
}

/** Fashion-MNIST as a model takes it. */
export interface Fashion {
  readonly train: SampleSet
  readonly test: SampleSet
}

export interface PruneData {
  readonly folder: string
  /** Pixels / 255. */
  readonly fashion: Fashion
  /** (pixels / 255 − 0.2860) / 0.3530. */
  readonly normalised: Fashion
  /** CIFAR-10 with ImageNet's mean and deviation. */
  readonly cifar: Halves
  trained(name: string): Promise<Uint8Array>
  model(name: string): Promise<Uint8Array>
}

/** Draws samples without labels from a set. */
export function drawn(set: SampleSet, count: number, seed: number): SampleSet {
  return subset(set, shuffled(set.count, seed).slice(0, count))
}

/** Samples of a class, or of all others, drawn at random. */
export function ofClass(set: SampleSet, wanted: number, isOther: boolean, count: number, seed: number): SampleSet {
  const { labels } = set
  const matching = shuffled(set.count, seed).filter((i) => (labels?.[i] === wanted) !== isOther)
  return subset(set, matching.slice(0, count))
}

/** The data, or in one sentence what is missing. */
export async function pruneData(): Promise<PruneData | string> {
  const files = fashionMnistFiles()
  if (typeof files === 'string') return files
  const { folder, train } = files
  const fashion = async (words: string): Promise<Fashion> => {
    const options = { input: INPUT, preprocess: parsePreprocess(words) }
    return {
      train: await openSamples(train, options),
      test: await openSamples(files.test, options),
    }
  }
  return {
    folder,
    fashion: await fashion('range=0..1'),
    normalised: await fashion('range=0..1 mean=0.2860 std=0.3530'),
    cifar: await cifarHalves(join(folder, 'cifar10')),
    trained: (name) => readFile(join(folder, 'trained', `${name}.onnx`)),
    model: (name) => readFile(join(folder, 'models', `${name}.onnx`)),
  }
}

/** The pixels of a sheet, an image a row, as the model's input `[images, 3, 32, 32]`. */
export function sheetImages(sheet: { readonly width: number; readonly height: number; readonly data: Uint8Array }) {
  const size = SIDE * SIDE
  const values = new Float32Array(sheet.height * 3 * size)
  for (let image = 0; image < sheet.height; image++) {
    for (let channel = 0; channel < 3; channel++) {
      for (let i = 0; i < size; i++) {
        const pixel = sheet.data[4 * (image * sheet.width + i) + channel]
        values[(image * 3 + channel) * size + i] = (pixel / 255 - MEAN[channel]) / DEVIATION[channel]
      }
    }
  }
  return values
}

async function cifarHalves(folder: string): Promise<Halves> {
  const sheets = await Promise.all(
    SHEETS.map(async (i) => sheetImages(PNG.sync.read(await readFile(join(folder, `cifar10_batch_${i}.png`))))),
  )
  const count = sheets.reduce((sum, sheet) => sum + sheet.length, 0) / (3 * SIDE * SIDE)
  const data = new Float32Array(count * 3 * SIDE * SIDE)
  let at = 0
  for (const sheet of sheets) {
    data.set(sheet, at)
    at += sheet.length
  }
  const tensor: Tensor = { dtype: 'float32', shape: [count, 3, SIDE, SIDE], data }
  const all: SampleSet = {
    ...tensorSamples('CIFAR-10 sheets', tensor),
    labels: Int32Array.from(await readFile(join(folder, SHEET_LABELS))),
  }
  const order = shuffled(count, SEED)
  return { calibrate: subset(all, order.slice(0, CALIBRATION)), test: subset(all, order.slice(CALIBRATION)) }
}
