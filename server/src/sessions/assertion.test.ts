import assert from "node:assert/strict"
import { createPublicKey } from "node:crypto"
import { test } from "node:test"
import { refusalCode } from "#kernel"
import { issuer, openTestSessions, type TestSessions } from "./fixture.ts"
import type { Sessions } from "./index.ts"
import { newSigner, type Signer, seconds, unsigned } from "./proof.fixture.ts"

const refusesWith = (code: string) => (error: unknown) => refusalCode(error) === code
const type = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
const client = "spiffe://example.org/agent/support-bot"
const right = { iss: client, sub: client, aud: issuer }
const own = await newSigner()

/** Reads an assertion with a proof that is right. */
async function read(sessions: Sessions, client_assertion: string, by: Signer = own, client_assertion_type = type) {
  const jwt = await by.proof({ htm: "POST", htu: `${issuer}/oauth2/token`, nonce: sessions.dpopNonce() })
  return sessions.readAssertion(
    { jwt, method: "POST", path: "/oauth2/token" },
    { client_assertion_type, client_assertion },
  )
}
const use = async (room: Pick<TestSessions, "sessions">, jwt: string) =>
  await room.sessions.useAssertion(await read(room.sessions, jwt))

test("an assertion that jose made is read, under each type that is allowed", async () => {
  await using room = await openTestSessions()
  for (const typ of [undefined, "JWT", "client-authentication+jwt"]) {
    const found = await read(room.sessions, await own.assertion(right, typ === undefined ? {} : { typ }))
    assert.deepEqual([found.client, found.proof.jkt, found.proof.keyThumbprint], [client, own.jkt, own.keyThumbprint])
  }
})

test("an assertion that is not exactly right is refused", async () => {
  await using room = await openTestSessions()
  const other = await newSigner()
  const pem = Buffer.from(createPublicKey(own.privateKey).export({ format: "pem", type: "spki" }))
  const now = seconds()
  const header = { alg: "ES256", kid: own.jkt }
  const claims = { ...right, jti: "0123456789", iat: now, exp: now + 60 }
  const [, , signature] = (await own.assertion(right)).split(".")
  const wrong: Record<string, string> = {
    nothing: "",
    "no JWS": "a.b.c",
    "alg none": unsigned({ ...header, alg: "none" }, claims),
    "alg none with a signature": unsigned({ ...header, alg: "none" }, claims, signature),
    "HS256 with the public key as secret": await own.assertion(right, { alg: "HS256" }, pem),
    "an RS256 header": unsigned({ ...header, alg: "RS256" }, claims, signature),
    "another's key": await own.assertion(right, {}, other.privateKey),
    "another's key under its own name": await other.assertion(right),
    "no kid": unsigned({ alg: "ES256" }, claims, signature),
    "a key that it brings along": await own.assertion(right, { kid: other.jkt, jwk: other.jwk }, other.privateKey),
    "a DPoP proof's type": await own.assertion(right, { typ: "dpop+jwt" }),
    "an access token's type": await own.assertion(right, { typ: "at+jwt" }),
    "another issuer's audience": await own.assertion({ ...right, aud: "https://other.example" }),
    "the token endpoint as audience": await own.assertion({ ...right, aud: `${issuer}/oauth2/token` }),
    "our issuer among others": await own.assertion({ ...right, aud: [issuer, "https://other.example"] }),
    "our issuer alone, in a list": await own.assertion({ ...right, aud: [issuer] }),
    "our issuer with a slash": await own.assertion({ ...right, aud: `${issuer}/` }),
    "no audience": await own.assertion({ ...right, aud: undefined }),
    "another subject": await own.assertion({ ...right, sub: "spiffe://example.org/agent/other" }),
    "no subject": await own.assertion({ ...right, sub: undefined }),
    "no issuer": await own.assertion({ ...right, iss: undefined }),
    "no jti": await own.assertion({ ...right, jti: undefined }),
    "a jti that is too short": await own.assertion({ ...right, jti: "1" }),
    "an end in the past": await own.assertion({ ...right, exp: now - 1 }),
    "no end": await own.assertion({ ...right, exp: undefined }),
    "a life of more than five minutes": await own.assertion({ ...right, exp: now + 310 }),
    "a life that ends before it begins": await own.assertion({ ...right, iat: now + 30, exp: now + 20 }),
    "a beginning in the future": await own.assertion({ ...right, iat: now + 65, exp: now + 120 }),
    "no beginning": await own.assertion({ ...right, iat: undefined }),
    "a beginning long ago": await own.assertion({ ...right, iat: now - 400 }),
    "a time that is text": await own.assertion({ ...right, exp: String(now + 60) as never }),
    "too much": await own.assertion({ ...right, padding: "x".repeat(4_096) }),
  }
  for (const [what, jwt] of Object.entries(wrong)) {
    await assert.rejects(read(room.sessions, jwt), refusesWith("client-assertion-invalid"), what)
  }
  const good = await own.assertion(right)
  await assert.rejects(read(room.sessions, good, other), refusesWith("client-assertion-invalid"), "another's proof")
  const saml = "urn:ietf:params:oauth:client-assertion-type:saml2-bearer"
  await assert.rejects(read(room.sessions, good, own, saml), refusesWith("client-assertion-invalid"), saml)
  await read(room.sessions, good)
})

test("an assertion is good once, also at another server and for many at once", async () => {
  await using room = await openTestSessions()
  const second = await room.another()
  const jwt = await own.assertion(right)
  const tries = Array.from({ length: 8 }, (_, n) => use(n % 2 === 0 ? room : second, jwt))
  const settled = await Promise.allSettled(tries)
  assert.equal(settled.filter(({ status }) => status === "fulfilled").length, 1)
  for (const each of settled) {
    if (each.status === "rejected") assert.equal(refusalCode(each.reason), "client-assertion-invalid")
  }
  await use(second, await own.assertion(right))
})

test("the same jti of another key is another assertion", async () => {
  await using room = await openTestSessions()
  const other = await newSigner()
  await use(room, await own.assertion({ ...right, jti: "the-same-one" }))
  const theirs = await read(room.sessions, await other.assertion({ ...right, jti: "the-same-one" }), other)
  await room.sessions.useAssertion(theirs)
})

test("an assertion that has expired by the database's clock is refused, and forgotten only after that", async () => {
  await using room = await openTestSessions()
  // This server's clock is an hour behind, and has not heard of the database's yet.
  const clock = { nowMs: () => Date.now() - 3_600_000 }
  const { sessions } = await room.another({ clock })
  const past = { iat: seconds() - 3_600, exp: seconds() - 3_540 }
  const jwt = await own.proof({
    htm: "POST",
    htu: `${issuer}/oauth2/token`,
    nonce: sessions.dpopNonce(),
    iat: past.iat,
  })
  const form = { client_assertion_type: type, client_assertion: await own.assertion({ ...right, ...past }) }
  const stale = sessions.readAssertion({ jwt, method: "POST", path: "/oauth2/token" }, form)
  await assert.rejects(sessions.useAssertion(stale), refusesWith("client-assertion-invalid"))
})
