/** The list of detectors that a developer writes. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type DetectorChoice, parseChoices } from './choice.ts'

const second = Uint8Array.of(1)
const encoder = Uint8Array.of(2)

const accepted: [list: string, choices: DetectorChoice[]][] = [
  ['max-softmax, hyp-oc', [{ kind: 'max-softmax' }, { kind: 'hyp-oc' }]],
  ['mahalanobis', [{ kind: 'mahalanobis', variant: 'concat', rank: undefined }]],
  ['second-opinion', [{ kind: 'second-opinion', model: second, rule: 'divergence' }]],
  ['second-opinion:label', [{ kind: 'second-opinion', model: second, rule: 'label' }]],
  ['second-opinion:disagreement', [{ kind: 'second-opinion', model: second, rule: 'disagreement' }]],
  ['beyond', [{ kind: 'beyond', encoder, preset: undefined, rule: 'divergence' }]],
  ['beyond:disagreement', [{ kind: 'beyond', encoder, preset: undefined, rule: 'disagreement' }]],
]

for (const [list, choices] of accepted) {
  test(`"${list}"`, () => assert.deepEqual(parseChoices(list, { second, encoder }), choices))
}

test('beyond with fifty neighbours counts, as in the paper', () => {
  assert.deepEqual(parseChoices('beyond', { preset: 'paper' }), [
    { kind: 'beyond', encoder: undefined, preset: 'paper', rule: 'counts' },
  ])
})

const refused: [list: string, message: RegExp][] = [
  ['nonsense', /expected detectors \(max-softmax, .*beyond\), got "nonsense"/],
  ['energy:label', /got "energy:label"/],
  ['energy,energy', /expected each detector once, got "energy" twice/],
  ['mahalanobis:odd', /expected a variant of Mahalanobis \(concat, .*\), got "odd"/],
  ['second-opinion:counts', /expected a rule of second-opinion \(divergence, label, disagreement\), got "counts"/],
  ['second-opinion', /expected a second model for second-opinion, got none/],
  ['beyond:label', /expected a rule of beyond \(divergence, disagreement, counts, fused\), got "label"/],
]

for (const [list, message] of refused) {
  test(`"${list}" is refused`, () => {
    assert.throws(() => parseChoices(list), { code: 'INVALID_ARGUMENT', message })
  })
}
