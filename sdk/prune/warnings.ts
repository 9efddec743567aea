/** What a reader should know before relying on a pruned model; one sentence each. */

/** Fewer samples than this leave the fit of wide layers to chance. */
const FEW = 128

/** Points of accuracy that ResNet-56 loses on CIFAR-10 at 60 % of its MACs: "Measured" in pruning.md. */
const MEASURED = { real: 0.6, synthetic: 3.1 }

/** The warnings of a result. */
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
      `Pruned on synthetic pictures, which is worse than on samples of your own: at 60 % of its MACs, ResNet-56 lost ${MEASURED.synthetic.toFixed(1)} points of accuracy on CIFAR-10 so, and ${MEASURED.real.toFixed(1)} on real samples. The agreement is that on synthetic pictures, too.`,
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
