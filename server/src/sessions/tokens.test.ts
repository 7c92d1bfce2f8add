import assert from "node:assert/strict"
import { createPublicKey, generateKeyPairSync } from "node:crypto"
import { test } from "node:test"
import { createLocalJWKSet, decodeJwt, decodeProtectedHeader, jwtVerify, SignJWT } from "jose"
import { generateKey, refusalCode, silentLog } from "#kernel"
import { agent, details, issuer, openTestSessions, type TestSessions } from "./fixture.ts"

const certificate = (thumbprint: string) => ({ "x5t#S256": thumbprint })
const refusesWith = (code: string) => (error: unknown) => refusalCode(error) === code

async function openWithToken(room: TestSessions, more: { lifetimeSeconds?: number } = {}) {
  const opening = {
    caller: agent(),
    purpose: "answer-questions",
    purposes: ["answer-questions"],
    ceiling: details,
    ...more,
  }
  return (await room.audit.commit(room.sessions.withToken(room.sessions.open(opening), agent()))).result
}

test("a token is what RFC 9068 says, bound to the certificate, and verifies with the published keys alone", async () => {
  await using room = await openTestSessions()
  const { session, token } = await openWithToken(room)
  assert.deepEqual([token.tokenType, token.expiresIn], ["Bearer", 300])
  const keys = createLocalJWKSet(room.sessions.jwks() as never)
  const { payload, protectedHeader } = await jwtVerify(token.accessToken, keys, { issuer, audience: issuer })
  assert.deepEqual([protectedHeader.alg, protectedHeader.typ], ["ES256", "at+jwt"])
  const { iat, exp, jti, ...claims } = payload
  assert.equal(exp! - iat!, 300)
  assert.match(jti!, /^token_/)
  assert.deepEqual(claims, {
    iss: issuer,
    aud: issuer,
    sub: "spiffe://example.org/agent/support-bot",
    client_id: "spiffe://example.org/agent/support-bot",
    safeconduct_session: session.id,
    authorization_details: details,
    cnf: { "x5t#S256": "thumbprint-1" },
  })
  for (const key of room.sessions.jwks().keys) assert.equal(key["d"], undefined)
  assert.deepEqual(
    (await room.entries()).map(({ event }) => event),
    ["sessions.opened", "sessions.token-issued"],
  )
})

test("a token does not outlive its session", async () => {
  await using room = await openTestSessions()
  const { session, token } = await openWithToken(room, { lifetimeSeconds: 60 })
  assert.ok(decodeJwt(token.accessToken).exp! * 1000 <= session.expiresAt.getTime())
  assert.ok(token.expiresIn <= 60 && token.expiresIn >= 58)
})

test("a token is good only on the connection that it is bound to, also when it is remembered", async () => {
  await using room = await openTestSessions()
  const { session, token } = await openWithToken(room)
  await assert.rejects(
    room.sessions.verifyToken(token.accessToken, certificate("thumbprint-2")),
    refusesWith("token-invalid"),
  )
  assert.equal(
    (await room.sessions.verifyToken(token.accessToken, certificate("thumbprint-1"))).safeconduct_session,
    session.id,
  )
  await assert.rejects(
    room.sessions.verifyToken(token.accessToken, certificate("thumbprint-2")),
    refusesWith("token-invalid"),
  )
})

test("an expired token is refused, also when it is remembered", async () => {
  await using room = await openTestSessions()
  const clock = { offsetMs: 0, nowMs: () => Date.now() + clock.offsetMs }
  const { sessions } = await room.another({ clock })
  const { token } = await openWithToken(room)
  await sessions.verifyToken(token.accessToken, certificate("thumbprint-1"))
  clock.offsetMs = 300_000
  await assert.rejects(
    sessions.verifyToken(token.accessToken, certificate("thumbprint-1")),
    refusesWith("token-invalid"),
  )
})

test("whatever else our keys or others sign is no token", async () => {
  await using room = await openTestSessions()
  const { session, token } = await openWithToken(room)
  const claims = decodeJwt(token.accessToken)
  const { kid } = decodeProtectedHeader(token.accessToken) as { kid: string }
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" })
  const published = createPublicKey({ key: room.sessions.jwks().keys[0] as never, format: "jwk" })
  const sign = (header: object, key: Parameters<SignJWT["sign"]>[0] = privateKey, changed: object = {}) =>
    new SignJWT({ ...claims, ...changed }).setProtectedHeader({ alg: "ES256", typ: "at+jwt", kid, ...header }).sign(key)
  const forged = [
    session.mandate,
    await sign({}),
    await sign({ kid: "other" }),
    await sign({ alg: "HS256" }, Buffer.from(published.export({ format: "pem", type: "spki" }))),
    [encode({ alg: "none", typ: "at+jwt", kid }), encode(claims), ""].join("."),
    token.accessToken.slice(0, -4),
    "",
    "a.b.c",
  ]
  for (const value of forged) {
    await assert.rejects(
      room.sessions.verifyToken(value, certificate("thumbprint-1")),
      refusesWith("token-invalid"),
      value,
    )
  }
})

test("a token of our own key with another type, issuer, audience or binding is refused", async () => {
  await using room = await openTestSessions()
  const { token } = await openWithToken(room)
  const claims = decodeJwt(token.accessToken)
  const { kid } = decodeProtectedHeader(token.accessToken) as { kid: string }
  const { privateKey } = await room.ownKey()
  const sign = (header: object, changed: object) =>
    new SignJWT({ ...claims, ...changed })
      .setProtectedHeader({ alg: "ES256", typ: "at+jwt", kid, ...header })
      .sign(privateKey)
  await room.sessions.verifyToken(await sign({}, {}), certificate("thumbprint-1"))
  const wrong: [object, object][] = [
    [{ typ: "JWT" }, {}],
    [{ typ: "mandate+jwt" }, {}],
    [{}, { iss: "https://other.example" }],
    [{}, { aud: "https://other.example" }],
    [{}, { aud: [issuer, "https://other.example"] }],
    [{}, { exp: Math.floor(Date.now() / 1000) - 1 }],
    [{}, { exp: undefined }],
    [{}, { jti: undefined }],
    [{}, { cnf: undefined }],
    [{}, { cnf: { jkt: "thumbprint-1" } }],
    [{}, { cnf: { "x5t#S256": "thumbprint-1", jkt: "thumbprint-1" } }],
    [{}, { cnf: { "x5t#S256": "thumbprint-1", "x5t#S512": "other" } }],
    [{}, { cnf: {} }],
    [{}, { authorization_details: [{ type: "other" }] }],
  ]
  for (const [header, changed] of wrong) {
    const value = await sign(header, changed)
    await assert.rejects(
      room.sessions.verifyToken(value, certificate("thumbprint-1")),
      refusesWith("token-invalid"),
      JSON.stringify(changed),
    )
  }
})

test("two servers that start at once make one key, recorded once", async () => {
  await using room = await openTestSessions()
  await room.store.owner.query("delete from kernel.keys")
  const servers = await Promise.all([room.another(), room.another(), room.another()])
  const kids = servers.map(({ sessions }) => sessions.jwks().keys.map((key) => key["kid"]))
  assert.equal(kids[0]!.length, 1)
  assert.deepEqual(kids[1], kids[0])
  assert.deepEqual(kids[2], kids[0])
  assert.deepEqual(
    (await room.entries()).map(({ event }) => event),
    ["sessions.token-key-made"],
  )
})

test("a rotated key is published at once, signs ten minutes later, and the old one goes on verifying", async () => {
  await using room = await openTestSessions()
  const clock = { offsetMs: 0, nowMs: () => Date.now() + clock.offsetMs }
  const later = await room.another({ clock, log: silentLog })
  const { token: old } = await openWithToken(room)
  const { result } = await room.audit.commit(room.sessions.rotateKey("spiffe://example.org/operator/olga"))
  await Promise.all([room.epoch.refresh(), later.epoch.refresh()])
  assert.ok(room.sessions.jwks().keys.some((key) => key["kid"] === result.kid))
  const { token: soon } = await openWithToken(room)
  assert.notEqual(decodeProtectedHeader(soon.accessToken).kid, result.kid)
  clock.offsetMs = 601_000
  const opening = { caller: agent(), purpose: "answer-questions", purposes: ["answer-questions"], ceiling: details }
  const session = (await later.audit.commit(later.sessions.open(opening))).result
  assert.equal(decodeProtectedHeader(session.mandate).kid, result.kid)
  await later.sessions.standing(session.id, agent())
  await room.sessions.verifyToken(old.accessToken, certificate("thumbprint-1"))
})

test("an old key is retired when no token by it can live, and destroyed when no open session's mandate is by it", async () => {
  await using room = await openTestSessions()
  const older = await openWithToken(room)
  const oldKid = (await room.ownKey()).kid
  const { result } = await room.audit.commit(room.sessions.rotateKey("spiffe://example.org/operator/olga"))
  const activeFor = async (seconds: number) => {
    const sql = "update kernel.keys set active_from = now() - make_interval(secs => $1) where kid = $2"
    await room.store.owner.query(sql, [seconds, result.kid])
    const longAgo = "update kernel.keys set active_from = now() - interval '1 day' where kid = $1"
    await room.store.owner.query(longAgo, [oldKid])
    await room.store.owner.query("update kernel.epoch set keys = keys + 1, epoch = epoch + 1")
    await room.epoch.refresh()
    await room.sessions.retireKeys()
    await room.epoch.refresh()
  }
  const published = () => room.sessions.jwks().keys.map((key) => key["kid"])
  await activeFor(300)
  assert.deepEqual(published().toSorted(), [oldKid, result.kid].toSorted())
  await room.sessions.verifyToken(older.token.accessToken, certificate("thumbprint-1"))

  await activeFor(361)
  assert.deepEqual(published(), [result.kid])
  await assert.rejects(
    room.sessions.verifyToken(older.token.accessToken, certificate("thumbprint-1")),
    refusesWith("token-invalid"),
  )
  // A server that has not seen the session has its mandate only.
  const other = await room.another()
  await other.sessions.standing(older.session.id, agent())

  await room.audit.commit(room.sessions.end(older.session.id, "ended", "server"))
  await room.sessions.retireKeys()
  const [row] = await room.store.owner.query<{ sealed: string | null }>(
    "select sealed from kernel.keys where kid = $1",
    [oldKid],
  )
  assert.equal(row!.sealed, null)
  const told = (await room.entries()).filter(({ event }) => event.startsWith("sessions.token-key"))
  assert.deepEqual(
    told.map(({ event, data }) => [event, (data as { kid?: string }).kid]),
    [
      ["sessions.token-key-made", result.kid],
      ["sessions.token-key-retired", oldKid],
      ["sessions.token-key-destroyed", oldKid],
    ],
  )
})

test("a public key that somebody wrote beside a sealed one signs for nobody", async () => {
  await using room = await openTestSessions()
  const { session, token } = await openWithToken(room)
  const { kid } = decodeProtectedHeader(token.accessToken) as { kid: string }
  const forger = generateKey()
  await room.store.owner.query("update kernel.keys set public = $1", [forger.spki])
  const other = await room.another()
  await other.sessions.verifyToken(token.accessToken, certificate("thumbprint-1"))
  const forged = await new SignJWT(decodeJwt(token.accessToken))
    .setProtectedHeader({ alg: "ES256", typ: "at+jwt", kid })
    .sign(forger.privateKey)
  await assert.rejects(other.sessions.verifyToken(forged, certificate("thumbprint-1")), refusesWith("token-invalid"))
  await other.sessions.standing(session.id, agent())
})

function encode(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString("base64url")
}
