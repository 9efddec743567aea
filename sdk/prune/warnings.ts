/** What a reader should know before relying on a pruned model; one sentence each. */

/** Fewer samples than this leave the fit of wide layers to chance. */
const FEW = 128

/** What the bench measured (`npm run bench:prune`): points of accuracy lost on CIFAR-10 by ResNet-56 at a share of MACs. */
const MEASURED =
  'ResNet-56 on CIFAR-10 lost REAL points of accuracy on real samples and SYNTHETIC on synthetic ones, at 60 % of the MACs'

export function warningsOf({
  synthetic,
  samples,
  isStopped,
}: {
  synthetic: boolean
  samples: number
  isStopped: boolean
}): string[] {
  const warnings: string[] = []
  if (synthetic) {
    warnings.push(
      `Pruned on synthetic pictures, which is worse than on samples of your own: ${MEASURED}. The agreement is on synthetic pictures, too.`,
    )
  } else if (samples < FEW) {
    warnings.push(`Pruned on ${samples} samples; ${FEW} and more fit wide layers better.`)
  }
  if (isStopped)
    warnings.push(
      'Pruning stopped before the budget was met, so that the answers stay as near to the original’s as was asked.',
    )
  return warnings
}
