import assert from "node:assert/strict"
import { createHash, generateKeyPairSync } from "node:crypto"
import { test } from "node:test"
import { calculateJwkThumbprint, createLocalJWKSet, EmbeddedJWK, exportJWK, jwtVerify } from "jose"
import { createProver } from "./proof.ts"

const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" })
const prover = createProver(privateKey)
const url = "https://safeconduct.example/v1/actions"

test("jose verifies a proof with the key in it, whose thumbprint it finds to be ours", async () => {
  const jwt = prover.proof({ method: "POST", url: `${url}?a=1#b`, nonce: "n", token: "t" })
  const { payload, protectedHeader } = await jwtVerify(jwt, EmbeddedJWK, { typ: "dpop+jwt", algorithms: ["ES256"] })
  const { jti, iat, ...claims } = payload
  const ath = createHash("sha256").update("t").digest("base64url")
  assert.deepEqual(claims, { htm: "POST", htu: url, nonce: "n", ath })
  assert.ok(Math.abs(iat! - Date.now() / 1000) < 5)
  assert.match(jti!, /^[\w-]{22}$/)
  assert.equal(await calculateJwkThumbprint(protectedHeader.jwk as never), prover.jkt)
  assert.deepEqual(Object.keys(protectedHeader.jwk!).sort(), ["crv", "kty", "x", "y"], "and nothing private")
})

test("no two proofs are the same, and what was not told is not in one", async () => {
  const proofs = Array.from({ length: 50 }, () => prover.proof({ method: "GET", url }))
  assert.equal(new Set(proofs).size, 50)
  const { payload } = await jwtVerify(proofs[0]!, EmbeddedJWK)
  assert.deepEqual(Object.keys(payload).sort(), ["htm", "htu", "iat", "jti"])
})

test("jose verifies an assertion for its one audience, and it lives a minute by the server's clock", async () => {
  const keys = createLocalJWKSet({ keys: [{ ...(await exportJWK(publicKey)), kid: prover.jkt }] })
  const client = "spiffe://example.org/agent/bot"
  const issuer = "https://safeconduct.example"
  const nowMs = Date.now() + 3_600_000
  const jwt = prover.assertion({ client, audience: issuer, nowMs })
  const { payload } = await jwtVerify(jwt, keys, {
    typ: "client-authentication+jwt",
    algorithms: ["ES256"],
    issuer: client,
    subject: client,
    audience: issuer,
    currentDate: new Date(nowMs),
  })
  assert.equal(payload.aud, issuer)
  assert.equal(payload.exp! - payload.iat!, 60)
})
