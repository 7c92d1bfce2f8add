import assert from "node:assert/strict"
import { createPublicKey, generateKeyPairSync } from "node:crypto"
import { test } from "node:test"
import { SignJWT } from "jose"
import { refusalCode, systemClock } from "#kernel"
import { issuer } from "../fixture.ts"
import { newSigner, seconds, unsigned } from "../proof.fixture.ts"
import { readRequestObject } from "./request-object.ts"

const signer = await newSigner()
const client = "spiffe://example.org/agent/support-bot"
const key = createPublicKey(signer.privateKey)

type Claims = { [name: string]: unknown }

/** What a request claims, right in all that is not replaced. */
const claimsOf = (more: Claims = {}): Claims => {
  const now = seconds()
  const times = { iat: now, nbf: now, exp: now + 60 }
  return { iss: client, aud: issuer, jti: "request-1", ...times, scope: "openid", ...more }
}
const sign = (claims: Claims = {}, header: Claims = {}, by: unknown = signer.privateKey) =>
  new SignJWT(claimsOf(claims)).setProtectedHeader({ alg: "ES256", ...header }).sign(by as never)
const read = (text: string, as = client) => readRequestObject({ issuer, clock: systemClock }, text, { client: as, key })

/** Every one of them is refused with one code: what is wrong is in the log. */
async function refuses(text: string | Promise<string>, what: string, as = client) {
  const jwt = await text
  assert.throws(
    () => read(jwt, as),
    (error) => refusalCode(error) === "invalid-request",
    what,
  )
}

test("CIBA Core §7.1.1: a signed request is read by the client's own key, with its parameters and without its claims", async () => {
  const details = [{ type: "safeconduct_one_action" }]
  const given = { requested_expiry: 60, authorization_details: details, login_hint: "x" }
  for (const header of [
    {},
    { typ: "JWT" },
    { typ: "oauth-authz-req+jwt" },
    { typ: "OAuth-AuthZ-Req+JWT" },
    { typ: "application/jwt" },
    { kid: "any name" },
  ]) {
    const { parameters, jti, expiresAtMs } = read(await sign(given, header))
    assert.deepEqual(parameters, { scope: "openid", ...given })
    assert.equal(jti, "request-1")
    assert.ok(expiresAtMs > Date.now())
  }
})

test("CIBA Core §7.1.1: iss is the client, and no other", async () => {
  await refuses(sign({ iss: "spiffe://example.org/agent/other" }), "another")
  await refuses(sign({ iss: undefined }), "none")
  await refuses(sign(), "another client's", "spiffe://example.org/agent/other")
})

test("CIBA Core §7.1.1, pitfall 4: aud is our issuer alone, as one text", async () => {
  for (const aud of [undefined, "https://other.example", [issuer], [issuer, "https://other.example"], `${issuer}/`]) {
    await refuses(sign({ aud }), JSON.stringify(aud))
  }
})

for (const claim of ["exp", "iat", "nbf", "jti"]) {
  test(`CIBA Core §7.1.1: ${claim} is required, and is what it has to be`, async () => {
    await refuses(sign({ [claim]: undefined }), "absent")
    await refuses(sign({ [claim]: claim === "jti" ? 7 : "soon" }), "of another type")
    await refuses(sign({ [claim]: null }), "null")
  })
}

test("CIBA Core §7.1.1: one that has expired, or is from the future, is refused", async () => {
  const now = seconds()
  await refuses(sign({ nbf: now - 60, exp: now - 1 }), "expired")
  await refuses(sign({ nbf: now + 120, exp: now + 180 }), "not yet")
  await refuses(sign({ iat: now + 120 }), "made in the future")
  await refuses(sign({ exp: now }), "ends at once")
})

test("FAPI-CIBA §5.2.2: from nbf to exp it is an hour at the most, and nbf is no more than an hour ago", async () => {
  const now = seconds()
  assert.ok(read(await sign({ nbf: now - 10, exp: now + 3_590 })))
  await refuses(sign({ nbf: now, exp: now + 3_601 }), "longer")
  await refuses(sign({ nbf: now - 3_700, exp: now + 60 }), "older")
  await refuses(sign({ nbf: now + 30, exp: now + 20 }), "ends before it begins")
})

test("CIBA Core §7.1.1, pitfall 15: the algorithm is ES256 by that key, whatever the header says", async () => {
  const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey
  const other = await newSigner()
  await refuses(unsigned({ alg: "none" }, claimsOf()), "none")
  await refuses(unsigned({ alg: "ES256" }, claimsOf()), "without a signature")
  await refuses(sign({}, { alg: "RS256" }, rsa), "RS256")
  await refuses(sign({}, { alg: "PS256" }, rsa), "PS256")
  await refuses(sign({}, { alg: "HS256" }, key.export({ type: "spki", format: "der" })), "HMAC with the public key")
  await refuses(sign({}, {}, other.privateKey), "the key of another client")
  await refuses(sign({}, { jwk: other.jwk }, other.privateKey), "with its own key in the header")
  await refuses(sign({}, { jku: "https://evil.example/jwks" }, other.privateKey), "with a place where its key is")
  const text = await sign()
  await refuses(`${text.slice(0, -4)}AAAA`, "another signature")
})

test("RFC 8725 §3.11: what the key signed for something else is no request", async () => {
  for (const typ of [
    "dpop+jwt",
    "client-authentication+jwt",
    "at+jwt",
    "safeconduct-approval+jwt",
    "DPoP+JWT",
    "application/dpop+jwt",
    "",
  ]) {
    await refuses(sign({}, { typ }), typ)
  }
  // RFC 9101 §10.8: without a type of its own, a client assertion has `sub`.
  await refuses(sign({ sub: client }), "a client assertion")
  for (const name of ["request", "request_uri", "client_assertion", "client_assertion_type"]) {
    await refuses(sign({ [name]: "x" }), name)
  }
})

test("what is no JWT at all, or too much of one, is refused", async () => {
  for (const text of ["", "a.b.c", "a.b", "....", await sign({ more: "x".repeat(40_000) })]) await refuses(text, text)
})
