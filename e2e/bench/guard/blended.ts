/** Near out-of-distribution images: two garments of different classes, laid over one another half and half. */

import type { Tensor } from '../../../sdk/core/index.ts'
import type { SampleSet } from '../../../sdk/pack/samples/index.ts'
import { numbersOf } from '../../../sdk/pack/samples/preprocess.ts'

/** Each image blended with the next one of another class. */
export function blended(set: SampleSet): SampleSet {
  const labels = set.labels ?? new Int32Array(set.count)
  const partner = (index: number): number => {
    for (let step = 1; step < set.count; step++) {
      const other = (index + step) % set.count
      if (labels[other] !== labels[index]) return other
    }
    return index
  }
  return {
    ...set,
    name: 'two garments blended',
    labels: undefined,
    async batch(indices): Promise<Tensor> {
      const own = await set.batch(indices)
      const others = numbersOf(await set.batch(indices.map(partner)))
      return { ...own, data: Float32Array.from(numbersOf(own), (value, i) => (value + others[i]) / 2) }
    },
  }
}
