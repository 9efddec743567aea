/**
 * The boundary attack (Brendel, Rauber, Bethge, "Decision-based adversarial attacks: reliable attacks against black-box machine
 * learning models", ICLR 2018): only the label that the model gives is used. From an input of another label, a walk along the
 * boundary: a random step on the sphere around the original, then a step towards it, kept where the label stays another one.
 * The lengths of both steps follow their rates of success.
 */

import { elementCount, rng } from '../../sdk/core/index.ts'
import { type AttackOptions, type AttackResult, Campaign, checkCount, checkPositive, gather } from './campaign.ts'
import { margin, type Objective } from './objective.ts'
import type { Answers, Batch, Oracle } from './oracle.ts'

export interface BoundaryOptions extends AttackOptions {
  /** 500 unless told; the paper walks for thousands. */
  readonly steps?: number
  /** Length of the first steps on the sphere, relative to the distance: 0.1 unless told (the paper's 0.01 is for more steps). */
  readonly sphericalStep?: number
  /** Length of the first steps towards the original, relative to the distance: 0.1 unless told. */
  readonly sourceStep?: number
  /** Decides what counts as a success; misclassification unless told. */
  readonly objective?: Objective
}

/** Halvings of the way from the original to the start. */
const BISECTIONS = 10
/** Random starts that are tried before inputs of other labels. */
const STARTS = 8
/** Every so many steps the step on the sphere is asked about alone, as the paper adapts by it. */
const PROBE = 10

/**
 * A table of normal numbers, longer than any input: a direction is a stretch of it from a random place. The walk needs
 * millions of them.
 */
function noiseTable(size: number, seed: number): Float32Array {
  const { uniform } = rng(seed, 0xffffffff)
  const table = new Float32Array(Math.max(2 ** 17, 4 * size))
  for (let k = 0; k < table.length; k += 2) {
    const radius = Math.sqrt(-2 * Math.log(1 - uniform()))
    const angle = 2 * Math.PI * uniform()
    table[k] = radius * Math.cos(angle)
    table[k + 1] = radius * Math.sin(angle)
  }
  return table
}

function distance(a: Float32Array, b: Float32Array): number {
  let sum = 0
  for (let k = 0; k < a.length; k++) sum += (a[k] - b[k]) ** 2
  return Math.sqrt(sum)
}

/**
 * Needs labels only. It has no ε: `l2` says how near it came. An input for which no start was found comes back as it was.
 *
 * @param images inputs, in the range that the options give
 * @param labels the labels to lead away from: true ones, or the model's own
 * @throws HardpackError `INVALID_ARGUMENT` for labels or inputs out of range; `ABORTED`
 * @example
 * const { l2 } = await boundary(oracle, images, labels, { steps: 1000, range: { min: 0, max: 1 } })
 */
export async function boundary(
  oracle: Oracle,
  images: Batch,
  labels: ArrayLike<number>,
  {
    steps = 500,
    sphericalStep = 0.1,
    sourceStep = 0.1,
    objective = margin(oracle.classes),
    ...options
  }: BoundaryOptions,
): Promise<AttackResult> {
  checkCount('steps', steps)
  checkPositive('a spherical step', sphericalStep)
  checkPositive('a source step', sourceStep)
  const campaign = new Campaign('boundary', oracle, images, labels, objective, options)
  const { count, size } = campaign
  const random = campaign.all().map((i) => rng(campaign.seed, i))
  const { data: best, found } = await starts(campaign, random)
  const active = campaign.all().filter((i) => found[i] === 1)
  const noise = noiseTable(elementCount(images.shape), campaign.seed)
  const spherical = new Float64Array(count).fill(sphericalStep)
  const source = new Float64Array(count).fill(sourceStep)
  const onSphere = new Float32Array(active.length * size)
  const nearer = new Float32Array(active.length * size)

  for (let step = 0; step < steps && active.length > 0; step++) {
    campaign.report(step, steps)
    for (const [j, i] of active.entries()) {
      const image = campaign.image(i)
      const current = best.subarray(i * size, (i + 1) * size)
      const far = distance(current, image)
      // A random direction, made orthogonal to the way to the original.
      const from = random[i].below(noise.length - size)
      let along = 0
      let length = 0
      for (let k = 0; k < size; k++) {
        along += noise[from + k] * (image[k] - current[k])
        length += noise[from + k] ** 2
      }
      const across = Math.sqrt(Math.max(length - (along / far) ** 2, 1e-30))
      const scale = (spherical[i] * far) / across
      const shrink = 1 / Math.sqrt(1 + spherical[i] ** 2)
      const at = j * size
      for (let k = 0; k < size; k++) {
        const way = image[k] - current[k]
        const moved = current[k] + scale * (noise[from + k] - (along / far ** 2) * way)
        onSphere[at + k] = clip(image[k] + shrink * (moved - image[k]), campaign)
        nearer[at + k] = clip(onSphere[at + k] + source[i] * (image[k] - onSphere[at + k]), campaign)
      }
    }
    const answers = await campaign.answers(nearer, active)
    const probe = step % PROBE === 0 ? await campaign.answers(onSphere, active) : undefined
    for (const [j, i] of active.entries()) {
      const reached = campaign.reached(answers, j, i)
      const candidate = nearer.subarray(j * size, (j + 1) * size)
      const current = best.subarray(i * size, (i + 1) * size)
      const image = campaign.image(i)
      if (reached && distance(candidate, image) < distance(current, image)) current.set(candidate)
      if (probe) {
        // About half of the steps on the sphere should stay on the other side, and a quarter of those towards the original.
        const stays = campaign.reached(probe, j, i)
        spherical[i] = Math.min(1, spherical[i] * (stays ? 1.3 : 1 / 1.3))
        if (stays) source[i] = Math.min(0.9, source[i] * (reached ? 1.5 : 1 / 1.2))
      }
    }
  }
  campaign.report(steps, steps)
  return campaign.result(best)
}

const clip = (value: number, { min, max }: Campaign): number => Math.min(max, Math.max(min, value))

/** Points of another label, as near to each input as halving the way to them gets. */
async function starts(campaign: Campaign, random: readonly ReturnType<typeof rng>[]) {
  const { images, size, min, max } = campaign
  const data = images.data.slice()
  const found = new Uint8Array(campaign.count)
  const all = campaign.all()
  const clean = await campaign.answers(images.data, all)
  const accept = (answers: Answers, rows: readonly number[], tried: Float32Array): void => {
    for (const [j, i] of rows.entries()) {
      if (found[i] || !campaign.reached(answers, j, i)) continue
      found[i] = 1
      data.set(tried.subarray(j * size, (j + 1) * size), i * size)
    }
  }
  accept(clean, all, images.data)
  const already = found.slice()
  let open = all.filter((i) => !found[i])
  for (let attempt = 0; attempt < STARTS && open.length > 0; attempt++) {
    const tried = new Float32Array(open.length * size)
    for (const [j, i] of open.entries()) {
      for (let k = 0; k < size; k++) tried[j * size + k] = min + (max - min) * random[i].uniform()
    }
    accept(await campaign.answers(tried, open), open, tried)
    open = open.filter((i) => !found[i])
  }
  // An input that the model takes for another class.
  const donors = open.map((i) => all.find((j) => campaign.predicted(clean, j) !== campaign.labels[i]) ?? i)
  if (open.length > 0) {
    const tried = gather(images.data, donors, size)
    accept(await campaign.answers(tried, open), open, tried)
  }
  const walking = all.filter((i) => found[i] && !already[i])
  const low = new Float64Array(walking.length)
  const high = new Float64Array(walking.length).fill(1)
  const far = gather(data, walking, size)
  for (let halving = 0; halving < BISECTIONS && walking.length > 0; halving++) {
    const tried = new Float32Array(far.length)
    for (const [j, i] of walking.entries()) {
      const image = campaign.image(i)
      const part = (low[j] + high[j]) / 2
      for (let k = 0; k < size; k++) tried[j * size + k] = image[k] + part * (far[j * size + k] - image[k])
    }
    const answers = await campaign.answers(tried, walking)
    for (const [j, i] of walking.entries()) {
      if (campaign.reached(answers, j, i)) {
        high[j] = (low[j] + high[j]) / 2
        data.set(tried.subarray(j * size, (j + 1) * size), i * size)
      } else low[j] = (low[j] + high[j]) / 2
    }
  }
  return { data, found: Uint8Array.from(found, (value, i) => (already[i] ? 0 : value)) }
}
