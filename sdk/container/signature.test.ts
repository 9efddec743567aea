import assert from 'node:assert/strict'
import { createPublicKey, verify } from 'node:crypto'
import { test } from 'node:test'
import { type Bytes, concat, fromHex, HardpackError, toHex } from '../core/index.ts'
import { formatKey, generateKeyPair, parseKey } from './keys.ts'
import { publicKeyOf, SIGNATURE_BYTES, signBlock, verifyBlock } from './signature.ts'

/** RFC 8032, section 7.1: secret key, public key, message, signature. */
const VECTORS = [
  [
    '9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60',
    'd75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a',
    '',
    'e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b',
  ],
  [
    '4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb',
    '3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c',
    '72',
    '92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00',
  ],
  [
    'c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7',
    'fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025',
    'af82',
    '6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a',
  ],
].map((row) => row.map((hex) => fromHex(hex) as Bytes))

/** OpenSSL's answer, by Node. */
function opensslAccepts(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  const x = Buffer.from(publicKey).toString('base64url')
  return verify(null, message, createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' }), signature)
}

test('keys and signatures are those of RFC 8032', async () => {
  for (const [secretKey, publicKey, message, signature] of VECTORS) {
    assert.deepEqual(await publicKeyOf(secretKey), publicKey)
    const block = await signBlock(message, [secretKey])
    assert.equal(toHex(block), toHex(concat([publicKey, signature])))
    assert.deepEqual(await verifyBlock(message, block), [publicKey])
    await assert.rejects(verifyBlock(concat([message, Uint8Array.of(0)]), block), { code: 'BAD_SIGNATURE' })
  }
})

test('OpenSSL accepts what a new key signs', async () => {
  const { secretKey, publicKey } = await generateKeyPair()
  const message = new TextEncoder().encode('a model')
  const block = await signBlock(message, [secretKey])
  assert.ok(opensslAccepts(publicKey, message, block.subarray(32)))
})

test('several signatures come in ascending order of their keys, whatever the order of signing', async () => {
  const secretKeys = VECTORS.map(([secretKey]) => secretKey)
  const block = await signBlock(Uint8Array.of(1), secretKeys)
  assert.deepEqual(await signBlock(Uint8Array.of(1), secretKeys.toReversed()), block)
  const signers = (await verifyBlock(Uint8Array.of(1), block)).map(toHex)
  assert.deepEqual(
    signers,
    VECTORS.map(([, publicKey]) => toHex(publicKey)).sort((a, b) => (a < b ? -1 : 1)),
  )
})

test('entries twice or in another order are refused', async () => {
  const block = await signBlock(
    Uint8Array.of(1),
    VECTORS.map(([secretKey]) => secretKey),
  )
  const [a, b, c] = [0, 1, 2].map((i) => block.subarray(i * SIGNATURE_BYTES, (i + 1) * SIGNATURE_BYTES))
  for (const order of [
    [b, a, c],
    [a, c, b],
    [a, a],
  ]) {
    await assert.rejects(verifyBlock(Uint8Array.of(1), concat(order)), { code: 'INVALID_FORMAT' })
  }
  await assert.rejects(signBlock(Uint8Array.of(1), [VECTORS[0][0], VECTORS[0][0]]), { code: 'INVALID_ARGUMENT' })
})

test('a key of small order, for which anybody can sign, is refused', async () => {
  // With the neutral point as key and as R, and S = 0, the equation holds for every message.
  const neutral = new Uint8Array(32)
  neutral[0] = 1
  const block = concat([neutral, neutral, new Uint8Array(32)])
  await assert.rejects(verifyBlock(Uint8Array.of(1), block), { code: 'BAD_SIGNATURE' })
})

test('a signature with S + L in place of S is refused', async () => {
  const block = await signBlock(Uint8Array.of(1), [VECTORS[0][0]])
  const L = 2n ** 252n + 27742317777372353535851937790883648493n
  const S = BigInt(`0x${toHex(block.slice(64).reverse())}`) + L
  block.set((fromHex(S.toString(16).padStart(64, '0')) as Bytes).reverse(), 64)
  await assert.rejects(verifyBlock(Uint8Array.of(1), block), { code: 'BAD_SIGNATURE' })
})

test('keys travel as text', async () => {
  const { secretKey, publicKey } = await generateKeyPair()
  assert.deepEqual(parseKey('secret', ` ${formatKey('secret', secretKey)}\r\n`), secretKey)
  assert.deepEqual(parseKey('public', formatKey('public', publicKey)), publicKey)
  assert.throws(() => formatKey('public', new Uint8Array(31)), { code: 'INVALID_ARGUMENT' })
})

test('what is no key gets one sentence, which never shows the text', async () => {
  const { secretKey } = await generateKeyPair()
  const secret = formatKey('secret', secretKey)
  const wrong: ['public' | 'secret', string][] = [
    ['public', ''],
    ['public', toHex(secretKey)],
    ['public', secret],
    ['secret', secret.slice(0, -1)],
    ['secret', `${secret}0`],
    ['secret', secret.replace('secret', 'public')],
    ['secret', secret.replace(/.$/, 'g')],
  ]
  for (const [kind, text] of wrong) {
    assert.throws(
      () => parseKey(kind, text),
      (error) => {
        assert.ok(error instanceof HardpackError && error.code === 'INVALID_ARGUMENT' && error.hint)
        return !error.message.includes(toHex(secretKey).slice(0, 16))
      },
    )
  }
})
