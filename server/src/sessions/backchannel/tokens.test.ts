import assert from "node:assert/strict"
import { test } from "node:test"
import { createLocalJWKSet, decodeJwt, decodeProtectedHeader, jwtVerify } from "jose"
import { newId, refusalCode } from "#kernel"
import { agent, issuer, openTestSessions, type TestSessions } from "../fixture.ts"

const subject = "pairwise-1"
const refusesWith = (code: string) => (error: unknown) => refusalCode(error) === code

async function approve(room: TestSessions, more: object = {}, caller = agent()) {
  const session = await room.open(caller, { delegation: await room.delegation() })
  const details = [{ type: "safeconduct_one_action", actions: ["tool:raise"], locations: ["hr"], arguments: {} }]
  const useBefore = new Date(Date.now() + 60_000)
  const named = { approval: newId("approval"), session, details, useBefore, subject, authReqId: "req.1" }
  const approved = { ...named, authenticatedAt: null, ...more }
  return { approved, session, tokens: await room.sessions.signApproval(approved, caller) }
}

test("the access token is of one approval, bound to its holder, and lives two minutes at the most (pitfall 12)", async () => {
  await using room = await openTestSessions()
  const far = new Date(Date.now() + 3_600_000)
  const { approved, session, tokens } = await approve(room, { useBefore: far })
  assert.deepEqual([tokens.tokenType, tokens.expiresIn], ["Bearer", 120])
  const keys = createLocalJWKSet(room.sessions.jwks() as never)
  const { payload } = await jwtVerify(tokens.accessToken, keys, { issuer, audience: issuer })
  const { iat, exp, jti, ...claims } = payload
  assert.equal(exp! - iat!, 120)
  assert.equal(jti, tokens.jti)
  assert.deepEqual(claims, {
    iss: issuer,
    aud: issuer,
    sub: session.user!.id,
    client_id: agent().spiffeId,
    act: { sub: agent().spiffeId },
    safeconduct_session: session.id,
    txn: approved.approval,
    authorization_details: approved.details,
    cnf: { "x5t#S256": "thumbprint-1" },
  })
  const near = await approve(room)
  assert.ok(near.tokens.expiresIn <= 60, "nor longer than the approval")
  const byKey = await approve(room, {}, agent({ confirmation: { jkt: "key-1" } }))
  assert.equal(byKey.tokens.tokenType, "DPoP")
  await assert.rejects(approve(room, { useBefore: new Date() }), refusesWith("approval-over"))
})

test("CIBA Core §10.1.1: the ID token is the client's, with a subject of its own, the request, and no more of the user", async () => {
  await using room = await openTestSessions()
  const { tokens } = await approve(room)
  const keys = createLocalJWKSet(room.sessions.jwks() as never)
  const { payload } = await jwtVerify(tokens.idToken, keys, { issuer, audience: agent().spiffeId })
  const { iat, exp, ...claims } = payload
  assert.ok(exp! > iat!)
  assert.deepEqual(claims, {
    iss: issuer,
    aud: agent().spiffeId,
    sub: subject,
    "urn:openid:params:jwt:claim:auth_req_id": "req.1",
  })
  const at = new Date("2026-01-01T00:00:00Z")
  const { tokens: seen } = await approve(room, { authenticatedAt: at })
  assert.equal(decodeJwt(seen.idToken)["auth_time"], at.getTime() / 1000)
})

test("an approval's token is read as one, by its holder alone, and is no session's (pitfall 14)", async () => {
  await using room = await openTestSessions()
  const { sessions } = room
  const { approved, session, tokens } = await approve(room)
  const claims = await sessions.verifyToken(tokens.accessToken, agent().confirmation)
  assert.deepEqual([claims.txn, claims.safeconduct_session], [approved.approval, session.id])
  assert.deepEqual(claims.authorization_details, [], "it allows nothing by itself")
  for (const confirmation of [{ "x5t#S256": "thumbprint-2" }, { jkt: "thumbprint-1" }]) {
    await assert.rejects(sessions.verifyToken(tokens.accessToken, confirmation), refusesWith("token-invalid"))
  }
  assert.equal(sessions.tokenClaims(tokens.accessToken), null)
  assert.equal(await sessions.inspectToken(tokens.accessToken), null)
  await assert.rejects(sessions.verifyToken(tokens.idToken, agent().confirmation), refusesWith("token-invalid"))
  assert.equal(sessions.tokenClaims(tokens.idToken), null)
})

test("a token that says it is of the other kind is neither", async () => {
  await using room = await openTestSessions()
  const { session, tokens } = await approve(room)
  const { access_token: own } = await room.sessions.clientCredentials({ safeconduct_session: session.id }, agent())
  for (const [text, typ] of [
    [tokens.accessToken, "at+jwt"],
    [own, "safeconduct-approval+jwt"],
  ] as const) {
    const header = { ...decodeProtectedHeader(text), typ }
    const forged = [Buffer.from(JSON.stringify(header)).toString("base64url"), ...text.split(".").slice(1)].join(".")
    await assert.rejects(room.sessions.verifyToken(forged, agent().confirmation), refusesWith("token-invalid"))
    assert.equal(room.sessions.hasExpired(forged, agent().confirmation), false)
  }
})

test("that a token has expired is told to its holder, and to nobody else", async () => {
  await using room = await openTestSessions()
  const clock = { offsetMs: 0, nowMs: () => Date.now() + clock.offsetMs }
  const { sessions } = await room.another({ clock })
  const session = await room.open()
  const { access_token: token } = await sessions.clientCredentials({ safeconduct_session: session.id }, agent())
  const isOver = (confirmation = agent().confirmation) => sessions.hasExpired(token, confirmation)
  assert.equal(isOver(), false)
  clock.offsetMs = 300_000
  assert.equal(isOver(), true)
  assert.equal(sessions.hasExpired(token, { jkt: "thumbprint-1" }), false)
  assert.equal(sessions.hasExpired(token, { "x5t#S256": "thumbprint-2" }), false)
  assert.equal(sessions.hasExpired("no token", agent().confirmation), false)
})
