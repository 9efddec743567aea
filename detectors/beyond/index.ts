/** BEYOND, an input among its augmented neighbours: `beyond.drawAugmentations`, `beyond.fitCounts`, `beyond.score`. */

export { type Augmentations, drawAugmentations } from './augmentations.ts'
export { type BeyondRule, type BeyondSignals, fitBeyondCounts as fitCounts, scoreBeyond as score } from './score.ts'
