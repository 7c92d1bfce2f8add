import assert from "node:assert/strict"
import { createPublicKey, generateKeyPairSync, sign } from "node:crypto"
import { test } from "node:test"
import fc from "fast-check"
import { generateKey, refusalCode } from "#kernel"
import { newSigningRequest, readSigningRequest } from "./csr.ts"
import { bitBytes, context, integer, oid, pem, sequence, set, utf8 } from "./der-write.ts"

const refused = (text: string) =>
  assert.throws(
    () => readSigningRequest(text),
    (error) => refusalCode(error) === "csr-invalid",
  )

/** A request for that SubjectPublicKeyInfo, signed by whatever key is given. */
function request(spki: Uint8Array, privateKey: Parameters<typeof sign>[2], digest = "sha256", subject = sequence()) {
  const body = sequence(integer(Buffer.of(0)), subject, spki, context(0, "constructed"))
  const algorithm = digest === "sha256" ? "1.2.840.10045.4.3.2" : "1.2.840.10045.4.1"
  return pem("CERTIFICATE REQUEST", sequence(body, sequence(oid(algorithm)), bitBytes(sign(digest, body, privateKey))))
}

test("a request proves possession of its key and gives nothing else", () => {
  const key = generateKey()
  assert.deepEqual(readSigningRequest(newSigningRequest(key.privateKey)), { spki: key.spki, keyThumbprint: key.kid })
  const named = sequence(set(sequence(oid("2.5.4.3"), utf8("admin"))))
  assert.deepEqual(Object.keys(readSigningRequest(request(key.spki, key.privateKey, "sha256", named))), [
    "spki",
    "keyThumbprint",
  ])
})

test("a request signed by another key is refused", () => {
  refused(request(generateKey().spki, generateKey().privateKey))
})

test("other kinds of key are refused", () => {
  for (const pair of [
    generateKeyPairSync("ec", { namedCurve: "P-384" }),
    generateKeyPairSync("ec", { namedCurve: "secp256k1" }),
    generateKeyPairSync("rsa", { modulusLength: 2048 }),
  ]) {
    refused(request(pair.publicKey.export({ type: "spki", format: "der" }), pair.privateKey))
  }
})

test("the same key in another form is refused, so that it cannot be enrolled twice", () => {
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" })
  const jwk = createPublicKey(privateKey).export({ format: "jwk" })
  const x = Buffer.from(jwk.x!, "base64url")
  const y = Buffer.from(jwk.y!, "base64url")
  const algorithm = sequence(oid("1.2.840.10045.2.1"), oid("1.2.840.10045.3.1.7"))
  const point = (first: number, ...parts: Buffer[]) =>
    sequence(algorithm, bitBytes(Buffer.concat([Buffer.of(first), ...parts])))
  assert.equal(readSigningRequest(request(point(4, x, y), privateKey)).spki.length, 91)
  refused(request(point(2 + (y.at(-1)! & 1), x), privateKey))
  refused(request(point(6 + (y.at(-1)! & 1), x, y), privateKey))
})

test("a point that is not on the curve is refused", () => {
  const key = generateKey()
  const bent = Buffer.from(key.spki)
  bent[90]! ^= 1
  refused(request(bent, key.privateKey))
})

test("a signature with SHA-1 is refused", () => {
  const key = generateKey()
  refused(request(key.spki, key.privateKey, "sha1"))
})

test("what is not one PEM block of a request is refused", () => {
  const text = newSigningRequest(generateKey().privateKey)
  for (const bent of [
    "",
    "no",
    `${text}${text}`,
    text.replaceAll("CERTIFICATE REQUEST", "CERTIFICATE"),
    `before\n${text}`,
    `${text}after`,
    text.replace(/\n[^\n]{64}\n/, "\n"),
    pem("CERTIFICATE REQUEST", Buffer.alloc(5_000)),
  ]) {
    refused(bent)
  }
})

test("bent requests are refused as such, never otherwise", () => {
  const key = generateKey()
  const bytes = Buffer.from(newSigningRequest(key.privateKey).replaceAll(/-----.*-----|\s/g, ""), "base64")
  fc.assert(
    fc.property(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }), (at, flip) => {
      const bent = Buffer.from(bytes)
      bent[at]! ^= flip
      refused(pem("CERTIFICATE REQUEST", bent))
    }),
    { numRuns: 300 },
  )
})
