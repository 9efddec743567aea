/** Where Fashion-MNIST lies: the data folder, and for its training images, where it has none, Debian's `dataset-fashion-mnist`. */

import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { dataFolder } from './environment.ts'

/** Where Debian puts the whole data set. */
const DEBIAN = '/usr/share/datasets/fashion-mnist'

export interface FashionMnistFiles {
  /** The folder of all models and data sets. */
  readonly folder: string
  /** Images as idx files. */
  readonly train: string
  readonly test: string
}

/** The files, or in one sentence what is missing. */
export function fashionMnistFiles(): FashionMnistFiles | string {
  const folder = dataFolder()
  if (folder === undefined)
    return 'HARDPACK_DATA expected a folder of models and data sets, got none: nothing to measure.'
  const own = join(folder, 'fashion-mnist')
  const train = [own, DEBIAN].map((from) => join(from, 'train-images-idx3-ubyte.gz')).find((path) => existsSync(path))
  if (train === undefined) {
    return 'Fashion-MNIST has no training images here: install Debian\'s "dataset-fashion-mnist", or put them into the data folder.'
  }
  return { folder, train, test: join(own, 't10k-images-idx3-ubyte.gz') }
}
