import assert from "node:assert/strict"
import { generateKeyPairSync, type KeyObject } from "node:crypto"
import { test } from "node:test"
import fc from "fast-check"
import { type CryptoKey, exportJWK, FlattenedSign, generateKeyPair, importJWK } from "jose"
import type { Json } from "#kernel"
import { readCompact } from "../jws.ts"
import { pick, readKeySet } from "./key-set.ts"
import { type Algorithm, algorithms } from "./profiles.ts"
import { newKey } from "./provider.fixture.ts"
import { algorithmsOf, isSignedWith } from "./signed.ts"

const es = await newKey("es")
const rs = await newKey("rs", "RS256")
const read = (...keys: unknown[]) => readKeySet({ keys } as Json)
const signed = async (alg: Algorithm, key: CryptoKey) => {
  const sign = new FlattenedSign(Buffer.from("{}")).setProtectedHeader({ alg })
  const { protected: header, payload, signature } = await sign.sign(key)
  return readCompact(`${header}.${payload}.${signature}`)
}

test("what jose signs with each algorithm verifies with that one and its key, and with no other", async () => {
  const keys = new Map<Algorithm, { jws: Awaited<ReturnType<typeof signed>>; key: KeyObject }>()
  for (const alg of algorithms) {
    const { jwk, privateKey } = await newKey(alg, alg)
    keys.set(alg, { jws: await signed(alg, privateKey), key: pick(read(jwk), alg, alg)! })
  }
  const sameKey = (a: Algorithm, b: Algorithm) => a === b || (a.startsWith("Ed") && b.startsWith("Ed"))
  for (const [alg, { jws, key }] of keys) {
    for (const other of algorithms) {
      assert.equal(isSignedWith(jws, other, key), sameKey(alg, other), `${alg} as ${other}`)
      if (other !== alg) assert.equal(isSignedWith(jws, alg, keys.get(other)!.key), false, `${alg} by ${other}'s key`)
    }
    assert.equal(isSignedWith({ ...jws, input: `${jws.input}x` }, alg, key), false)
  }
})

test("pitfall 15: a set with a shared or private key is refused whole", async () => {
  const { privateKey } = await generateKeyPair("ES256", { extractable: true })
  const secret = await exportJWK(privateKey)
  for (const odd of [{ kty: "oct", k: "AAAA" }, { kty: "oct" }, { ...secret, kid: "x" }, { ...rs.jwk, p: "AQ" }]) {
    assert.throws(() => read(es.jwk, odd), /not public/)
  }
})

test("pitfall 15: a set with one name for two keys is refused whole", async () => {
  const other = await newKey("es")
  assert.throws(() => read(es.jwk, other.jwk), /one name/)
  assert.throws(() => read(es.jwk, { ...rs.jwk, kid: "es" }), /one name/)
  // A key for something else signs nothing, and may have any name.
  assert.equal(read(es.jwk, { ...other.jwk, use: "enc" }).length, 1)
})

test("keys for something else, of unknown kinds, or too small are left out", () => {
  const small = generateKeyPairSync("rsa", { modulusLength: 1024 }).publicKey.export({ format: "jwk" })
  const p521 = generateKeyPairSync("ec", { namedCurve: "P-521" }).publicKey.export({ format: "jwk" })
  const x25519 = generateKeyPairSync("x25519").publicKey.export({ format: "jwk" })
  const k1 = generateKeyPairSync("ec", { namedCurve: "secp256k1" }).publicKey.export({ format: "jwk" })
  const left = [
    { ...es.jwk, use: "enc" },
    { ...es.jwk, key_ops: ["encrypt"] },
    { ...es.jwk, key_ops: "verify" },
    { ...es.jwk, alg: "HS256" },
    { ...es.jwk, alg: "ES384" },
    { ...es.jwk, x: es.jwk.y, y: es.jwk.y },
    { ...rs.jwk, n: "AQ" },
    { kty: "AKP", kid: "pq" },
    small,
    p521,
    x25519,
    k1,
  ]
  for (const jwk of left) assert.deepEqual(read(jwk), [], JSON.stringify(jwk))
})

test("a token without a key's name is by the only key for its algorithm, or by none", async () => {
  const { alg: _, ...free } = rs.jwk
  const second = await newKey("es-2")
  assert.notEqual(pick(read(es.jwk, rs.jwk), "ES256", undefined), null)
  assert.equal(pick(read(es.jwk, second.jwk), "ES256", undefined), null)
  assert.notEqual(pick(read(es.jwk, second.jwk), "ES256", "es-2"), null)
  for (const kid of ["", "other", 1, null, {}]) assert.equal(pick(read(es.jwk), "ES256", kid), null)
  // An RSA key that does not say for which is for either; one that does, for that alone.
  assert.notEqual(pick(read(free), "PS256", "rs"), null)
  assert.equal(pick(read(rs.jwk), "PS256", "rs"), null)
})

test("pitfall 15: a private or a shared key is good for nothing", async () => {
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" })
  assert.deepEqual(algorithmsOf(privateKey), [])
  assert.equal(isSignedWith(await signed("ES256", es.privateKey), "ES256", privateKey), false)
})

test("whatever stands in a key set, it is read to public keys of known kinds, or refused", async () => {
  const member = fc.constantFrom("kty", "kid", "alg", "use", "key_ops", "crv", "n", "e", "x", "y", "d", "k", "x5c")
  const value = fc.oneof(fc.jsonValue(), fc.constantFrom("EC", "RSA", "OKP", "oct", "P-256", "sig", "AQAB", "AA"))
  const changed = fc
    .tuple(fc.constantFrom(es.jwk, rs.jwk, {}), fc.dictionary(member, value, { maxKeys: 3 }))
    .map(([jwk, more]) => ({ ...jwk, ...more }))
  await fc.assert(
    fc.asyncProperty(
      fc.oneof(fc.jsonValue(), fc.record({ keys: fc.array(changed, { maxLength: 4 }) })),
      async (set) => {
        let keys: ReturnType<typeof readKeySet>
        try {
          keys = readKeySet(set as Json)
        } catch (error) {
          assert.ok(error instanceof Error)
          return
        }
        for (const each of keys) {
          assert.equal(each.key.type, "public")
          assert.ok(each.algorithms.length > 0)
          // What is taken here, jose takes for the same key.
          await importJWK(each.key.export({ format: "jwk" }), each.algorithms[0]!)
        }
      },
    ),
    { numRuns: 300 },
  )
})
