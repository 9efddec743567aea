/**
 * One chunk of each codec that is ours, as bytes that never change: when this turns red, files that exist no longer open.
 * The chunk of weights has every method: streams 1, 3, 0 and 2 (with dead classes and escapes), and the three pools.
 */

import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { CODECS, typescriptDecoder, wasmDecoder } from './index.ts'
import { layoutOf } from './weights/layout.ts'

const VECTORS = [
  {
    codec: CODECS.weights,
    rawLength: 3953,
    sha256: 'a36734e19f01201e203c92cf1aa58111c31005bbc9624fb869b4ab939e949b67',
    base64:
      '0APQuDcKn59lfQl2G1RRvVcLDjEqlD+AfgR9flrmwP46pFFJQrcxni+wkB+KbFowOnFSCFm/NqYJLsLNKiTXq3VYThXkUm3R3wAyhmAE6hQ7' +
      'gGeRI0Ifb/y345T26+1tf8yHD09H1w8zzMqeGZWx3zOgc3CPGq0qc3hxFPrm7Vv6tJcB7qODUogOFVvWMUF6wd+BusjUD8m9XU3PLNumgexv' +
      '2o9FgwHJTDIF6XsISlCZCvByX7xrbd1U01iRP5KYfWGyJDVLIryqaU+DQc5YRQpdR4U464ir0jLYq1Ki77okuv2l8Z3ygpst1nD6/A/ytF8m' +
      'TafAe6dfgR6YH3BAZeDE4T0+xvxbujArsSL8D3Jy7IBw9u6GY4dDeW1DQn9Wx542axdgG9gnYYQNvagS2IYzG4rf9AmMfTBvhaohO9SpZOd/' +
      'YMS1TdSXEUNSdfAURGQnzgI+VetT1Voyhnj1ZTI5c/pnTv+aYycwMm97RGUUoMOjuexMuIevZe3xnp8n4oE7bnLzZtfmQy8uW3La+dWxjwaL' +
      'z7HO2nt4OIYHutHSJb0qPAzk+QgJ2wwkeM1YY6g7KmgCO/JXu/47aNIJtH+4aO0ClMoK8TfMr81B0O7lKNUdAQAZuwEAOdcBAAmPCgDpVRbX' +
      'O9BNAE4AGwDoxY3S4/NcvQQBFQDEAQcA05gBAE4nAgA3WRYAnRcBAOkBCAC7OVEtU93vLqnNy3Qvrq7D2RkBAC3TKWVL6J4S3KIBABFbAQCJ' +
      'RNMjXLRhJcOdAgAHex4+E3V9WTIsDg642wEAE0aBXGnLmocFJx6mwAoy9GaMrDGsDsbYgG7h1qjfJvAWspJLNIPofs6MM49ytAAAAACo5AQ9' +
      'sESoLrHTRL6mopCfEJEsh0xKYMb0FoTsQI23ZnjNMDJqHCbZYk0eaDR+3Z80BY5HrePEhOujg9gWXHI4beZKvkJxNLaMnd2YIReYgqg2pOYS' +
      'x5AIcyceBeBA5LhURr6wezgLkZVLfkHuWmCNUChsEOgQTPh7rBA1OHGqnoLnBnedmvgC4LSIjLx5GjUid98bWkxVmWmYqO5oaSj8COA4jfPa' +
      'gAJ0iORpwP9g1Cy/JDgpenm4ArXsK30yIjnSIanmFobdgvpPiekb+vzq3FuCjbj2rSx8DxTIWDe/rCA59jNNyGiDDlbWmmILWBtY9ZH1uvNF' +
      '1QwtaJxCQrr/8o43raiUJRQ2aJrRMbeIIlISpC0wpjqgoKTcvj0A/2x3RvdE3sLB2nfwO1nZ9Y1ALEIjuFSZEuqOCHMHabedmXWTXQ/Tl1wY' +
      'Z+LIFnIWjaPgSwMCAgAJCwMOAwUKCgABCQ2W1zjaTtwmcV9K64p3wwapHC7xLji5khc8lbZ+TH5lAwMAAgMBAAADAQMDAAEAAwNZFMASXYkW' +
      'AAY6AQAUYCAArT0DAFAKdxWmZTMAxOM9APlLFQCrW3lTmj/LAVoMJwC6WhQAwdEBAJY8AwC9308ABwcBALVbGwTkrQ4AHu6rC++h3QDDEQ0A' +
      'b7sNALR0RgAGswYArSOvASTDJBLD5XkDB4SFWUy83AF0A2AXBCcSAI2UWioMvP5B8bzLdIjQ+8ZftQorj/bV4tqtecCP+Yvqv/MKo9xQVWN3' +
      'zUn3MKjwHkVfzWfdT+pNWwM2xGbRwBB+GbBUT9Puo66ReGh5K1/b1X5Of4kY+h3BqvUg6IfEBugaiqKcJfmkfLV4XpbcrJkUfFrnr6pLG2kS' +
      'a9ytQ/JkQ8qY3qdP7VXeziuXREMGeFKSiP7QYBVBP03Y8grLLMyeJ74AJBC3x+jkg3MmQkoDBC0yBhfafMtIvzuvCpp7e2TtEX9cOH4me01Z' +
      'zZWQtPLPxoJ9nuSvOKddcZqHPpvZvw0DcJtfzZj9TrEy+ObfvleGE3RQWuEPVNd7jeHWxndeNL8kuJKgHsPUcdsogF5UKCLGlXkoEEfT9HQH' +
      'd60+EZbLX/ITXC9AY73KjGp3ZTmrXe8WHrmgd7X87UvnRAYO/TuSEicQdawatXWu/Iyk5AjrUuVg8M35GDFOEqJ81pXosSCd8/5DnG5g218s' +
      '4QMNobipJxAcgHX7m6jv+0JsAAhq75/5lG2CtH/uKdy2eKXLA6+Vx9QVYru1TbHXuFfFUJsk8Z5j1O+Afrx3Ne0aL37klF5ZOL1MfC4xYzj0' +
      '3GPXGQqtr2kPh3xYq07+Qt5Z2ndLRO7wtYXFvzEAgzIHPLszCrqzUWF/RYbr3Fsmk1rJAKazx5jr7xip/n8iWbFuBC3E07PsfjyGz4BNoYbi' +
      'CIRPSdexkTKwA4qxgEFmYebfuRfsNH+5+iG4MFsS7fyJ7mTb9mT19Z1DQ+PRNa74am2Emhk1uaCKQzP9DIYIH/785Kujpjoh5IchR2JYR14x' +
      'Nryn5vABPo4QUQHtuJ/freXq2ga9sIO/PEvDoz8aw2aoCAMQHtiVNq/W4UwhInU2uLYjKlM/b0t/XyXROb5LzAyJQlNJAufRirTmnXCHMzIu' +
      '1p4ehq9NA4wA6J7p25dbTqxEwAt7bpnEMd95sIj1k13pIYZiOA7+3iiRXdaEONIX8v5h9RTNIVYqC2lhznvWl6+7327BwEhX7COVE5f8ON1y' +
      'IQeXdDAjpqpQdEp9iwFw6uwEBkK3BrFWtNzCaKYvheWMtzhjDmQmUtuz/qXOdoOyacVLa4Cb2RuYrDEUKUzbQda2pE8WLetaHb89v2STsAR1' +
      'AYSdh6p/91oRXvlh7SlC8Bm+sOJRaahpz9pUFrcoJm6MfYEKzllLoq7aS+1NARNTJ6Ec5sKTWWoC+bBlOg9J3BIvphVJFHGhHE1jcEfCWiRs' +
      '0phP+wXhNXkucqdkB2WLtEw4Z+sONootE1iQQt4kPDviGhO8WWQ7orewomSK0Ki1B31fy9jolyGzExpyHG5VOskxkfOwZ5O49CNrKgC+XxyV' +
      '2paZ1JDuyqyXgJ4o/PbkvKwTQi2diokM6sViEP0wlJ83XgThWs+mQBb3cLnVhNI8Qti2H6TjFMLAy6ukaKxlogCqP/MhgQ8qWbvcba921ZlR' +
      'fX2Amo6kd3DggkEmFwq+3TS1UgsobbGwTJwV8lOkg2aURJ2fyzpcWn7WadqXek3HE7yQcO5c8n3QhcZbump+IBalZF0G/fxImuBKoaCCStcG' +
      'B5rupI64wvOEAovx7J4cg42QE2TZFX+JtjHtXRHUlaP3HCPloOvPsCD3ALsQWAGX4c8ALWLBAY7UlQDSuLkAm2tqAWcS6QFHJ6cAVRe+ABA7' +
      '/wAN1fYASiA8ASiPmgBNfq4A4XOvAW/mwAFHCK0Awt5WAA2AmAAd91YAOXaTAYpFYAAP/iIB2fIKAePAvADdhMQAqI7iAZ+6AgE4uo4AxJd6' +
      'AIJC/gDaXEilop2AI2795sePNAz/TLr8dP5XSzsQYvvGXS6+jZRJBFFk/prFfmNrlMiHlcEXnEHQ1IZmjBeDScIUGTI6hQHZPw6Uxdlmo27B' +
      'FFNcLIK5VJg9Ns7l+J9nUNIPwl3bhBBRIQ63vwuxokhTVku3HN/5LBbu0Nht+i9P26HzKtZkuLiMG1jOLy6tcAjqNBs1QLTz147G/lql+Lk7' +
      'HQaEI+ghNZ/oJ5uq+PkpUFnfeh7E1FLSXKAde6K6u6NiP74z9PcCSctEatrIjaidMiUHLkWtUBat629pSLc/ywF97C389qWRJgKgc7sIhrs1' +
      'bqsYg0rtptQE7em13VwPTZq19a+ddFodNpZbt2A6pvCTPAEMAAkJBAcJBwYKCQoBBwUp7asApuaKC5DNEABSGguu/BXJAO3oBQChGGkBehQz' +
      'Cp9pFADfdjQIBwuK2mODAQDDGxKn7z1gABY1l8kBlAEA00YEAIljuwG0aAQAI1QkJmqlAgDLCQIAn9kCAGgScwK7xQEAa6Stb8sZFwBSaQYH' +
      'ZieFAbhYGAFPSgEA+qOQIXun3UdXqghep5aXgmXZTCJFOgsmDCkX7Xzio/mLSXO37FUO1oU/F3h6SroEHw0zD/6Bn0OExMnSbSlyjJWVECeE' +
      'nma3Ej+WpoAxumNLJMC0nxOkYmnB5Q38pbZ+eTBzH95t1MmSnSHBz1eM0bMpsS/U51x2fpeiUdt/jWXcEGe1B2wXPoAy/hHbc76nWmaWaGLc' +
      'LPXzCuZjEihxzNWIFXz4+X3KQ5ywpV4sG+Zfvt+59edewVW8SvurI+fArnRlF4p2T2p3nN/rtkyZsbExxKsTPLgkJdWQ9kS+u923yLBExln8' +
      '/AjMoZqyT2C65EzBgRyI6FGr8NwwD9WkwDSfF+9AlyngK8iI4JaUVO22Vrn9UcKe6E/JIJMuLnmGy+lBoUBQBqAK7J0/8V8kDJD++z+0B5la' +
      'gRa1KvjWZVQ8+fy7TmORlRr5e1hR1vCM3DhL87Yii4O6nMsbiTe5lkSOir0GPWocTtY7jyInVTNYWUku28pyqwPMhtM1c6pgIClJuz/pD1Fj' +
      'qwx6eM6Kzl2fllb+wmBzBzZ3HbowTTpBWPAliFYx/U2fexENjH+StjS7tjmaIry3e8BCdMAY2ly9D0H1Ltv8GBO5/5fP2BfLng3ALEmWEXwx' +
      'GWJi44VSMOegPJd0p8RSaOJqw0dAdXsLToJGU8mqFPTt1Fp9tFe3LY+tqc2oY0TCN8t7B3ARMKkoalHV490TeDER01Kr+ZpeJF/M83T4G7bs' +
      'ACEW9uqHBpikaZhwPDYGejqNJk4co7SkE2yCfCyjkk3n7d4GIWDpPL+jX22i1S6/jCuQHWTJt+Hs2w9j3uO07F8/IA1UjTwYi0T2UFs8YwQC' +
      'BjAEs0AAJABiohAAQIzcTLQxDIQ=',
  },
  {
    codec: CODECS.mix,
    rawLength: 671,
    sha256: 'f51b9bb742e64bdc179fa8bc4c6aea089b6831038a869520384ad3349c04ce6c',
    base64: 'eYGuVoGjKSna4CfyhwvRQR19BncTz+6fGwUv7crDRQ==',
  },
] as const

test('the bytes of the format decode to what they always did', async () => {
  for (const decoder of [typescriptDecoder(), await wasmDecoder()]) {
    for (const { codec, rawLength, sha256, base64 } of VECTORS) {
      const out = new Uint8Array(rawLength)
      await decoder.decode(codec, new Uint8Array(Buffer.from(base64, 'base64')), out)
      assert.equal(createHash('sha256').update(out).digest('hex'), sha256, `${decoder.name}, codec ${codec}`)
    }
  }
})

test('the vector of weights covers every method, dead classes and escapes', () => {
  const sections = layoutOf(new Uint8Array(Buffer.from(VECTORS[0].base64, 'base64')), VECTORS[0].rawLength)
  assert.deepEqual(
    sections.map(({ method }) => method),
    [0, 1, 2, 3, 4, 5, 6],
  )
  assert.equal(sections[1].stream?.tables.length, 5)
  assert.ok(sections.some(({ stream }) => stream && stream.escapes.length > 0))
})
