/**
 * A pair of models that is really fine-tuned: a perceptron (784–256–64–10, ReLU) on MNIST digits, by plain stochastic
 * gradient descent on the cross-entropy, one digit a step. The base learns 8,000 digits; the release goes on for one pass over
 * 2,000 others at a small learning rate, as one does when new data come in. No image statistics, no momentum, no decay.
 */

import type { WeightTensor } from '../../../compress/index.ts'
import { rng } from '../../../sdk/core/index.ts'
import { type Digits, readDigits } from '../../models/digits.ts'

const WIDTHS = [784, 256, 64, 10]
const SEED = 2
const BASE = { digits: 8000, epochs: 2, rate: 0.01 }
const RELEASE = { digits: 2000, rate: 0.0001 }

interface Layer {
  /** `[outputs, inputs]`, row-major. */
  readonly weights: Float32Array
  readonly bias: Float32Array
}

/** Weights uniform within ±√(6 / inputs) (He et al., 2015). */
function newLayers(): Layer[] {
  const random = rng(SEED)
  return WIDTHS.slice(1).map((outputs, l) => {
    const bound = Math.sqrt(6 / WIDTHS[l])
    const weights = Float32Array.from({ length: outputs * WIDTHS[l] }, () => bound * (2 * random.uniform() - 1))
    return { weights, bias: new Float32Array(outputs) }
  })
}

/** Activations of every layer, the input first; the last are logits. */
function forward(layers: readonly Layer[], image: Float32Array): Float32Array[] {
  const activations = [image]
  layers.forEach(({ weights, bias }, l) => {
    const input = activations[l]
    const output = bias.slice()
    for (let o = 0; o < output.length; o++) {
      let sum = bias[o]
      for (let i = 0, w = o * input.length; i < input.length; i++, w++) sum += weights[w] * input[i]
      output[o] = l < layers.length - 1 ? Math.max(0, sum) : sum
    }
    activations.push(output)
  })
  return activations
}

/** The gradient of the cross-entropy with respect to the logits: softmax less one-hot. */
function logitGradient(logits: Float32Array, label: number): Float32Array {
  const top = Math.max(...logits)
  const exponentials = logits.map((logit) => Math.exp(logit - top))
  const total = exponentials.reduce((sum, e) => sum + e, 0)
  return exponentials.map((e, digit) => e / total - (digit === label ? 1 : 0))
}

/** One step of gradient descent on one digit. */
function step(layers: readonly Layer[], image: Float32Array, label: number, rate: number): void {
  const activations = forward(layers, image)
  let gradient = logitGradient(activations[layers.length], label)
  for (let l = layers.length - 1; l >= 0; l--) {
    const { weights, bias } = layers[l]
    const input = activations[l]
    const below = new Float32Array(input.length)
    for (let o = 0; o < gradient.length; o++) {
      const g = gradient[o]
      if (g === 0) continue
      bias[o] -= rate * g
      for (let i = 0, w = o * input.length; i < input.length; i++, w++) {
        if (input[i] === 0) continue // Below ReLU nothing flows back through a zero, and the weight does not move.
        below[i] += g * weights[w]
        weights[w] -= rate * g * input[i]
      }
    }
    gradient = below
  }
}

function epoch(layers: readonly Layer[], { images, labels }: Digits, rate: number): void {
  for (const [n, label] of labels.entries()) {
    step(layers, images.subarray(n * WIDTHS[0], (n + 1) * WIDTHS[0]), label, rate)
  }
}

function tensorsOf(layers: readonly Layer[]): WeightTensor[] {
  return layers.flatMap(({ weights, bias }, l) => [
    { dtype: 'float32', shape: [WIDTHS[l + 1], WIDTHS[l]], bytes: new Uint8Array(weights.slice().buffer) },
    { dtype: 'float32', shape: [WIDTHS[l + 1]], bytes: new Uint8Array(bias.slice().buffer) },
  ])
}

/** Trains the pair: float32 tensors before and after fine-tuning. */
export function fineTunedPair(): { base: WeightTensor[]; release: WeightTensor[] } {
  const layers = newLayers()
  const first = readDigits(BASE.digits)
  for (let pass = 0; pass < BASE.epochs; pass++) epoch(layers, first, BASE.rate)
  const base = tensorsOf(layers)
  epoch(layers, readDigits(RELEASE.digits, BASE.digits), RELEASE.rate)
  return { base, release: tensorsOf(layers) }
}
