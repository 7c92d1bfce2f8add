import assert from "node:assert/strict"
import { test } from "node:test"
import fc from "fast-check"
import { SignJWT } from "jose"
import type { Json } from "#kernel"
import { base64url, sha256 } from "#kernel"
import { providerEvidence, verifyProviderEvidence } from "./evidence.ts"
import type { ProviderProof } from "./proof.ts"
import { newKey, seconds } from "./provider.fixture.ts"

const challenge = sha256("what was agreed to")
const issuer = "https://id.shop.example"
const long = seconds() - 10 * 365 * 86_400

async function proofOf(alg: "ES256" | "RS256" | "Ed25519" = "ES256", more: object = {}): Promise<ProviderProof> {
  const { privateKey, jwk } = await newKey("key-1", alg)
  const claims = {
    iss: issuer,
    sub: "alice",
    aud: "safeconduct",
    nonce: base64url(challenge),
    auth_time: long - 5,
    acr: "high",
  }
  const payload = { ...claims, iat: long, exp: long + 300, ...more }
  const idToken = await new SignJWT(payload).setProtectedHeader({ alg, kid: "key-1" }).sign(privateKey)
  const { kid: _, alg: __, use: ___, ...key } = jwk
  const of = { provider: "shop", issuer, clientId: "safeconduct", subjectClaim: "sub" as const, subject: "alice" }
  const said = { acr: "high", authTimeMs: null, issuedAtMs: 0, amr: [], payload: {} }
  return { ...of, ...said, idToken, algorithm: alg, key }
}

for (const alg of ["ES256", "RS256", "Ed25519"] as const) {
  test(`${alg}: a proof of ten years ago verifies with nothing but itself`, async () => {
    const evidence = JSON.parse(JSON.stringify(providerEvidence(await proofOf(alg), "nonce", challenge))) as Json
    assert.deepEqual(verifyProviderEvidence(evidence, challenge), {
      issuer,
      subject: "alice",
      boundBy: "nonce",
      issuedAtMs: long * 1000,
      authTimeMs: (long - 5) * 1000,
      acr: "high",
    })
  })
}

test("one of a back channel is bound by the code that was read", async () => {
  const evidence = providerEvidence(await proofOf("ES256", { nonce: undefined }), "code", challenge)
  assert.equal(verifyProviderEvidence(evidence, challenge).boundBy, "code")
  assert.throws(() => verifyProviderEvidence(evidence, sha256("something else")), { code: "not-verified" })
})

test("what is of something else, or of somebody else, does not verify", async () => {
  const proof = await proofOf()
  const other = await proofOf()
  const evidence = providerEvidence(proof, "nonce", challenge)
  const changes: { [name: string]: Json }[] = [
    { bound: base64url(sha256("something else")) },
    { issuer: "https://id.other.example" },
    { clientId: "another" },
    { subject: "mallory" },
    { subjectClaim: "oid" },
    { algorithm: "RS256" },
    { key: { ...other.key } as Json },
    { idToken: other.idToken },
    { boundBy: "none" },
    { v: "safeconduct/provider-proof/2" },
    { more: 1 },
  ]
  for (const change of changes) {
    const changed = { ...evidence, ...change }
    assert.throws(() => verifyProviderEvidence(changed, challenge), { code: "not-verified" }, JSON.stringify(change))
  }
  assert.throws(() => verifyProviderEvidence(evidence, sha256("something else")), { code: "not-verified" })
  const unsigned = providerEvidence(await proofOf("ES256", { nonce: undefined }), "nonce", challenge)
  assert.throws(() => verifyProviderEvidence(unsigned, challenge), { code: "not-verified" })
})

test("a changed character of the ID token is found, wherever it is", async () => {
  const evidence = providerEvidence(await proofOf(), "nonce", challenge)
  const idToken = String(evidence["idToken"])
  fc.assert(
    fc.property(fc.nat(idToken.length - 1), fc.constantFrom(..."ABCxyz019-_."), (at, letter) => {
      fc.pre(idToken[at] !== letter)
      const changed = { ...evidence, idToken: idToken.slice(0, at) + letter + idToken.slice(at + 1) }
      assert.throws(() => verifyProviderEvidence(changed, challenge), { code: "not-verified" })
    }),
    { numRuns: 300 },
  )
})
