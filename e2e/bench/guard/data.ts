/**
 * The data of `bench:guard`: Fashion-MNIST (training images from Debian's `dataset-fashion-mnist` where the data folder has
 * none), MNIST and notMNIST. All are idx files of 28 × 28 pixels; a model takes pixel / 255.
 */

import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { ValueEntry } from '../../../sdk/container/manifest.ts'
import { signatureOf } from '../../../sdk/onnx/index.ts'
import type { GraphFile } from '../../../sdk/pack/graphs.ts'
import { openSamples, type SampleSet, subset } from '../../../sdk/pack/samples/index.ts'
import { fashionMnistFiles } from '../fashion-mnist.ts'

export const INPUT: ValueEntry = { name: 'input', dtype: 'float32', shape: ['n', 1, 28, 28] }

/** Clean test images: the first are calibrated on, the others are what false alarms are counted on. */
const CALIBRATED = 5000

export interface GuardData {
  readonly train: SampleSet
  /** All 10,000 test images. */
  readonly test: SampleSet
  readonly calibrate: SampleSet
  readonly held: SampleSet
  readonly mnist: SampleSet
  readonly mnistTrain: SampleSet
  readonly notMnist: SampleSet
  /** A model of the folder `trained`, as bytes. */
  trained(name: string): Promise<Uint8Array>
  /** A model of the folder `models`. */
  model(name: string): Promise<Uint8Array>
}

/** A model as the parts of `sdk/pack/guard` take it. */
export function graphFile(file: Uint8Array): GraphFile {
  const { inputs, outputs } = signatureOf(file)
  return { name: 'main', file, inputs, outputs: outputs.map((output) => ({ ...output, shape: output.shape ?? [] })) }
}

/** The data, or in one sentence what is missing. */
export async function guardData(): Promise<GuardData | string> {
  const files = fashionMnistFiles()
  if (typeof files === 'string') return files
  const { folder, train } = files
  const idx = (path: string): Promise<SampleSet> => openSamples(path, { input: INPUT })
  const test = await idx(files.test)
  const part = (start: number, end: number): SampleSet =>
    subset(
      test,
      Array.from({ length: end - start }, (_, i) => start + i),
    )
  return {
    train: await idx(train),
    test,
    calibrate: part(0, CALIBRATED),
    held: part(CALIBRATED, test.count),
    mnist: await idx(join(folder, 'mnist', 't10k-images-idx3-ubyte.gz')),
    mnistTrain: await idx(join(folder, 'mnist', 'train-images-idx3-ubyte.gz')),
    notMnist: await idx(join(folder, 'ood', 'notmnist-t10k-images-idx3-ubyte.gz')),
    trained: (name) => readFile(join(folder, 'trained', `${name}.onnx`)),
    model: (name) => readFile(join(folder, 'models', `${name}.onnx`)),
  }
}
