import assert from "node:assert/strict"
import { generateKeyPairSync } from "node:crypto"
import { test } from "node:test"
import fc from "fast-check"
import { SignJWT } from "jose"
import { base64url, type Json, sha256 } from "#kernel"
import { type ProviderProof, providerEvidence } from "#sessions"
import { verifyIdToken } from "../evidence/id-token.ts"

const challenge = sha256("what was agreed to")
const longAgo = Math.floor(Date.now() / 1000) - 10 * 365 * 86_400

async function proofOf(): Promise<ProviderProof> {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" })
  const claims = { iss: "https://id.example", sub: "alice", aud: "safeconduct", nonce: base64url(challenge) }
  const payload = { ...claims, iat: longAgo, exp: longAgo + 300 }
  const idToken = await new SignJWT(payload).setProtectedHeader({ alg: "ES256", kid: "k" }).sign(privateKey)
  const of = { provider: "hr", issuer: "https://id.example", clientId: "safeconduct", subject: "alice" }
  const said = { acr: null, authTimeMs: null, issuedAtMs: longAgo * 1000, amr: [], payload }
  const signed = { subjectClaim: "sub", algorithm: "ES256", key: publicKey.export({ format: "jwk" }) } as const
  return { ...of, ...signed, ...said, idToken }
}

test("what is kept of a provider's word verifies ten years later, with nothing but itself", async () => {
  const evidence = JSON.parse(JSON.stringify(providerEvidence(await proofOf()))) as Json
  assert.deepEqual(verifyIdToken(evidence), { iss: "https://id.example", sub: "alice", nonce: challenge })
})

test("a changed character of the ID token, and another key, are found", async () => {
  const evidence = providerEvidence(await proofOf())
  const idToken = String(evidence["idToken"])
  fc.assert(
    fc.property(fc.nat(idToken.length - 1), fc.constantFrom(..."ABCxyz019-_."), (at, letter) => {
      fc.pre(idToken[at] !== letter)
      const changed = { ...evidence, idToken: idToken.slice(0, at) + letter + idToken.slice(at + 1) }
      assert.throws(() => verifyIdToken(changed), { code: "not-verified" })
    }),
    { numRuns: 300 },
  )
  const other = providerEvidence(await proofOf())
  assert.throws(() => verifyIdToken({ ...evidence, key: other["key"]! }), { code: "not-verified" })
  assert.throws(() => verifyIdToken({ ...evidence, subject: "mallory" }), { code: "not-verified" })
})
