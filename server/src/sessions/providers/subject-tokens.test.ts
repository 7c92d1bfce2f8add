import assert from "node:assert/strict"
import { test } from "node:test"
import fc from "fast-check"
import { base64url as encode, type JWTPayload } from "jose"
import { refusalCode } from "#kernel"
import { clientSecret, issuer, openTestProviders, type TestProviders } from "./fixture.ts"
import type { SubjectTokenType } from "./index.ts"
import { type FakeProvider, idClaims, logoutClaims, newKey, seconds, startFakeProvider } from "./provider.fixture.ts"

const ID: SubjectTokenType = "urn:ietf:params:oauth:token-type:id_token"
const ACCESS: SubjectTokenType = "urn:ietf:params:oauth:token-type:access_token"
const JAG: SubjectTokenType = "urn:ietf:params:oauth:token-type:id-jag"
const invalid = { code: "subject-token-invalid" }
const delegatedTokens = { agents: { "agent-7": "support-bot" }, scopes: { "agent:support": "support-bot" } }
const detail = { type: "safeconduct_action", actions: ["credential:read"], locations: ["kb"] }

const verify = ({ providers }: TestProviders, token: string, type: SubjectTokenType) =>
  providers.verifySubjectToken({ token, type })
/** Claims of an access token for an application's own resource. */
const accessClaims = (fake: FakeProvider, more: JWTPayload = {}): JWTPayload =>
  idClaims(fake, { aud: "shop-api", client_id: "shop-web", ...more })
const at = { typ: "at+jwt" }

test("an ID token says who its user is, and whose it is", async () => {
  await using fake = await startFakeProvider()
  await using ours = await openTestProviders({ issuer: fake.issuer, claims: { customer: "customer_id" } })
  const [iat, exp] = [seconds(), seconds() + 60]
  const token = await fake.sign(idClaims(fake, { aud: "shop-web", sid: "s-1", customer_id: 1001, iat, exp }))
  const { digest, ...found } = await verify(ours, token, ID)
  assert.match(digest, /^[\w-]{43}$/)
  assert.deepEqual(found, {
    provider: "shop",
    type: ID,
    iss: fake.issuer,
    sub: "alice",
    claims: { customer: ["1001"] },
    sid: "s-1",
    clients: ["shop-web"],
    isForUs: false,
    details: null,
    purpose: null,
    delegated: null,
    mayAct: [],
    jti: null,
    issuedAtMs: iat * 1000,
    expiresAtMs: exp * 1000,
  })
  const several = await fake.sign(idClaims(fake, { aud: ["shop-web", "shop-app"], azp: "shop-web" }))
  assert.deepEqual((await verify(ours, several, ID)).clients, ["shop-app", "shop-web"])
  // Another client asked for it: both are named, and both have to be the application's.
  const foreign = await fake.sign(idClaims(fake, { aud: "shop-web", azp: "stranger" }))
  assert.deepEqual((await verify(ours, foreign, ID)).clients, ["shop-web", "stranger"])
})

test("an access token says whom it was issued to and whom it is for", async () => {
  await using fake = await startFakeProvider()
  await using ours = await openTestProviders({ issuer: fake.issuer })
  const found = await verify(ours, await fake.sign(accessClaims(fake), at), ACCESS)
  assert.deepEqual([found.clients, found.isForUs, found.delegated], [["shop-api", "shop-web"], false, null])
  const forUs = await verify(ours, await fake.sign(accessClaims(fake, { aud: issuer }), at), ACCESS)
  assert.deepEqual([forUs.clients, forUs.isForUs], [["shop-web"], true])
  const forBoth = await verify(ours, await fake.sign(accessClaims(fake, { aud: [issuer, "shop-api"] }), at), ACCESS)
  assert.deepEqual([forBoth.clients, forBoth.isForUs], [["shop-api", "shop-web"], false])
  const noClient = await verify(ours, await fake.sign(idClaims(fake, { aud: issuer }), at), ACCESS)
  assert.deepEqual(noClient.clients, [])
})

test("pitfall 14: a token is taken for nothing but what it is", async () => {
  await using fake = await startFakeProvider()
  await using ours = await openTestProviders({ issuer: fake.issuer, delegatedTokens })
  const jag = { aud: issuer, client_id: "shop-web", jti: "j-1" }
  const tokens: [string, string, SubjectTokenType | null][] = [
    ["an ID token", await fake.sign(idClaims(fake)), ID],
    ["an ID token of type JWT", await fake.sign(idClaims(fake), { typ: "JWT" }), ID],
    ["an access token", await fake.sign(accessClaims(fake), at), ACCESS],
    ["an access token by its long name", await fake.sign(accessClaims(fake), { typ: "application/at+jwt" }), ACCESS],
    ["an ID-JAG", await fake.sign(idClaims(fake, jag), { typ: "oauth-id-jag+jwt" }), JAG],
    ["a logout token", await fake.sign(logoutClaims(fake), { typ: "logout+jwt" }), null],
    ["a logout token without type", await fake.sign(logoutClaims(fake)), null],
    ["a DPoP proof", await fake.sign(idClaims(fake), { typ: "dpop+jwt" }), null],
    ["a transaction token", await fake.sign(idClaims(fake), { typ: "txntoken+jwt" }), null],
    ["a security event", await fake.sign(idClaims(fake), { typ: "secevent+jwt" }), null],
    ["a client assertion", await fake.sign(idClaims(fake), { typ: "client-authentication+jwt" }), null],
  ]
  for (const [what, token, own] of tokens) {
    for (const type of [ID, ACCESS, JAG]) {
      const judged = verify(ours, token, type)
      if (type === own) await judged
      else await assert.rejects(judged, invalid, `${what} as ${type}`)
    }
  }
})

test("pitfall 15: only the provider's own keys and algorithms sign its tokens", async () => {
  await using fake = await startFakeProvider()
  const rs = await newKey("rs", "RS256")
  fake.jwks.keys.push(rs.jwk)
  await using ours = await openTestProviders({ issuer: fake.issuer, algorithms: ["ES256"] })
  const stranger = await newKey("key-1")
  const claims = idClaims(fake)
  const none = ["e30", JSON.stringify(claims)].map((part) => encode.encode(part)).join(".")
  for (const token of [
    await fake.sign(claims, {}, stranger),
    await fake.sign(claims, { jwk: stranger.jwk, x5u: "https://a.example/", jku: "https://a.example/" }, stranger),
    // A key that is in the set, for an algorithm that is not this provider's here.
    await fake.sign(claims, {}, rs),
    `${none}.`,
    `${(await fake.sign(claims)).split(".").slice(0, 2).join(".")}.`,
  ]) {
    await assert.rejects(verify(ours, token, ID), invalid)
  }
  await verify(ours, await fake.sign(claims, { jku: "https://a.example/", x5c: ["AAAA"] }), ID)
})

test("pitfall 16: a token that is written in another way is another token, and is not taken", async () => {
  await using fake = await startFakeProvider()
  await using ours = await openTestProviders({ issuer: fake.issuer })
  const token = await fake.sign(idClaims(fake))
  const [header, payload, signature] = token.split(".") as [string, string, string]
  // The last character of 64 bytes carries four bits that decoders throw away.
  const loose = signature.slice(0, -1) + String.fromCharCode(signature.charCodeAt(signature.length - 1) + 1)
  const others = [
    `${token}=`,
    `${token} `,
    ` ${token}`,
    `${header}.${payload}.${loose}`,
    `${token}.`,
    `${header}..${signature}`,
  ]
  for (const other of others) await assert.rejects(verify(ours, other, ID), invalid, other)
  await verify(ours, token, ID)
})

test("a token that has expired, is not valid yet, or is of nobody we know is refused", async () => {
  await using fake = await startFakeProvider()
  await using other = await startFakeProvider()
  await using ours = await openTestProviders({ issuer: fake.issuer })
  const wrong: Record<string, JWTPayload> = {
    expired: { exp: seconds() - 61 },
    "without an end": { exp: undefined as never },
    "without a beginning": { iat: undefined as never },
    "made in the future": { iat: seconds() + 120 },
    "not valid yet": { nbf: seconds() + 120 },
    "with a time that is text": { exp: "9999999999" as never },
    "of an issuer with a slash": { iss: `${fake.issuer}/` },
    "of an issuer that nobody configured": { iss: other.issuer },
    "of no issuer": { iss: undefined as never },
    "of a list of issuers": { iss: [fake.issuer] as never },
    "for nobody": { aud: [] },
    "for something that is no text": { aud: [7] as never },
    "of no subject": { sub: undefined as never },
    "of a subject that is no text": { sub: 7 as never },
    "for more than one, and nobody who asked": { aud: ["a", "b"] },
    "bound to a key (pitfall 12)": { cnf: { jkt: "x" } },
  }
  for (const [what, more] of Object.entries(wrong)) {
    await assert.rejects(verify(ours, await fake.sign(idClaims(fake, more)), ID), invalid, what)
  }
  // The other issuer's token is right, for those who know it.
  const foreign = await other.sign(idClaims(other))
  await assert.rejects(verify(ours, foreign, ID), invalid)
  ours.configure({ shop: { issuer: fake.issuer }, other: { issuer: other.issuer } })
  assert.equal((await verify(ours, foreign, ID)).provider, "other")
  await assert.rejects(ours.providers.verifySubjectToken({ token: foreign, type: ID, provider: "shop" }), invalid)
})

test("pitfall 26: what is wrong with a token is for our log, not for whoever presents it", async () => {
  await using fake = await startFakeProvider()
  await using ours = await openTestProviders({ issuer: fake.issuer })
  const wrong = [
    await fake.sign(idClaims(fake, { exp: seconds() - 600 })),
    await fake.sign(idClaims(fake, { iss: "https://attacker.example" })),
    await fake.sign(idClaims(fake), {}, await newKey("key-1")),
    await fake.sign(idClaims(fake), { typ: "at+jwt" }),
    "opaque",
    "",
  ]
  const messages = wrong.map((token) =>
    verify(ours, token, ID).then(
      () => assert.fail("it is taken"),
      ({ message }: Error) => message,
    ),
  )
  assert.equal(new Set(await Promise.all(messages)).size, 1)
})

test("a delegated token names the agent that acts, what it may do, for what purpose and in which session", async () => {
  await using fake = await startFakeProvider()
  const rules = { ...delegatedTokens, purposeClaim: "purpose", sessionClaim: "user_session" }
  await using ours = await openTestProviders({ issuer: fake.issuer, delegatedTokens: rules })
  const act = { sub: "agent-7", iss: fake.issuer, act: { sub: "assistant", act: { sub: "first" } } }
  const more = { purpose: "order-help", user_session: "s-9", authorization_details: [{ type: "other" }, detail] }
  const found = await verify(ours, await fake.sign(accessClaims(fake, { aud: issuer, act, ...more }), at), ACCESS)
  assert.deepEqual(found.delegated, { agent: "support-bot", actor: "agent-7", before: ["assistant", "first"] })
  assert.deepEqual([found.details, found.purpose, found.sid], [[detail], "order-help", "s-9"])
  assert.deepEqual(found.clients, ["shop-web"])
})

test("pitfall 13: a delegated token for anybody else than us, or for others too, is refused", async () => {
  await using fake = await startFakeProvider()
  await using ours = await openTestProviders({ issuer: fake.issuer, delegatedTokens })
  const act = { sub: "agent-7" }
  for (const aud of ["shop-api", [issuer, "shop-api"], `${issuer}/`, "support-bot"]) {
    await assert.rejects(verify(ours, await fake.sign(accessClaims(fake, { aud, act }), at), ACCESS), invalid)
  }
  await verify(ours, await fake.sign(accessClaims(fake, { aud: [issuer], act }), at), ACCESS)
})

test("pitfall 21: who acts is the outermost actor, known by the configuration alone; inner ones have no say", async () => {
  await using fake = await startFakeProvider()
  await using ours = await openTestProviders({ issuer: fake.issuer, delegatedTokens })
  const wrong = [
    { sub: "stranger" },
    { sub: "stranger", act: { sub: "agent-7" } },
    { sub: "toString" },
    { sub: "agent-7", iss: "https://attacker.example" },
    { act: { sub: "agent-7" } },
    { sub: ["agent-7"] },
    [{ sub: "agent-7" }],
    "agent-7",
    null,
    {},
  ]
  for (const act of wrong) {
    const token = await fake.sign(accessClaims(fake, { aud: issuer, act }), at)
    await assert.rejects(verify(ours, token, ACCESS), invalid, JSON.stringify(act))
  }
  const long = Array.from({ length: 9 }).reduce<object>((inner) => ({ sub: "x", act: inner }), { sub: "x" })
  const tooLong = await fake.sign(accessClaims(fake, { aud: issuer, act: { sub: "agent-7", act: long } }), at)
  await assert.rejects(verify(ours, tooLong, ACCESS), invalid)
  const itself = await fake.sign(accessClaims(fake, { aud: issuer, sub: "agent-7", act: { sub: "agent-7" } }), at)
  await assert.rejects(verify(ours, itself, ACCESS), invalid)
  // Nobody acts at a provider whose agents nobody has named.
  ours.configure({ shop: { issuer: fake.issuer } })
  const right = await fake.sign(accessClaims(fake, { aud: issuer, act: { sub: "agent-7" } }), at)
  await assert.rejects(verify(ours, right, ACCESS), invalid)
})

test("pitfall 22: a user's own token says that nobody acts, and lets only those agents act that its provider names", async () => {
  await using fake = await startFakeProvider()
  await using ours = await openTestProviders({ issuer: fake.issuer, delegatedTokens })
  const mayAct = async (more: JWTPayload) =>
    (await verify(ours, await fake.sign(accessClaims(fake, more), at), ACCESS)).mayAct
  const named = [{ agent: "support-bot", claim: "may_act" }]
  assert.deepEqual(await mayAct({ may_act: { sub: "agent-7" } }), named)
  assert.deepEqual(await mayAct({ may_act: [{ sub: "x" }, { sub: "agent-7", iss: fake.issuer }] }), named)
  for (const may_act of [
    { sub: "stranger" },
    { sub: "agent-7", iss: "https://x" },
    { agent: "agent-7" },
    7,
    null,
    [],
  ]) {
    assert.deepEqual(await mayAct({ may_act }), [], JSON.stringify(may_act))
  }
  const scoped = [{ agent: "support-bot", claim: "scope agent:support" }]
  assert.deepEqual(await mayAct({ scope: "openid agent:support" }), scoped)
  assert.deepEqual(await mayAct({ scp: ["openid", "agent:support"] }), scoped)
  assert.deepEqual(await mayAct({ scope: "openid agent:supporter" }), [])
  const idToken = await verify(ours, await fake.sign(idClaims(fake, { may_act: { sub: "agent-7" } })), ID)
  assert.deepEqual(idToken.mayAct, named)
})

test("an ID-JAG is for us alone, names its client, and has a name of its own", async () => {
  await using fake = await startFakeProvider()
  await using ours = await openTestProviders({ issuer: fake.issuer, delegatedTokens })
  const jag = (more: JWTPayload) =>
    fake.sign(idClaims(fake, { aud: issuer, client_id: "shop-web", jti: "j-1", ...more }), { typ: "oauth-id-jag+jwt" })
  const found = await verify(ours, await jag({}), JAG)
  assert.deepEqual([found.clients, found.jti, found.isForUs], [["shop-web"], "j-1", true])
  const wrong = [{ aud: [issuer] }, { aud: `${issuer}/` }, { aud: [issuer, "x"] }, { jti: "" }, { client_id: "" }]
  for (const more of wrong) await assert.rejects(verify(ours, await jag(more), JAG), invalid, JSON.stringify(more))
})

test("details of ours that do not parse spoil the token", async () => {
  await using fake = await startFakeProvider()
  await using ours = await openTestProviders({ issuer: fake.issuer })
  const details = async (granted: unknown) =>
    (await verify(ours, await fake.sign(accessClaims(fake, { authorization_details: granted }), at), ACCESS)).details
  assert.deepEqual(await details([]), [])
  assert.deepEqual(await details([{ type: "other", actions: "*" }]), [])
  for (const odd of [[{ ...detail, actions: ["*"] }], [{ ...detail, colour: "red" }], { ...detail }, "all", null]) {
    await assert.rejects(details(odd), invalid, JSON.stringify(odd))
  }
})

test("an opaque token is shown to the one provider that can read it, and what it says is judged as strictly", async () => {
  await using fake = await startFakeProvider()
  fake.metadata["introspection_endpoint"] = `${fake.issuer}/introspect`
  const shop = { issuer: fake.issuer, clientAuthentication: "client_secret_post", accessTokens: "introspection" }
  await using ours = await openTestProviders({ ...shop, delegatedTokens })
  await ours.providers.setSecret("shop", clientSecret, "spiffe://example.org/operator/olga")
  const right = { active: true, token_type: "Bearer", sub: "alice", aud: "shop-api", client_id: "shop-web" }
  const introspect = (said: object) => {
    fake.answers.set("/introspect", () => ({ body: { ...right, exp: seconds() + 60, ...said } }))
    return verify(ours, "opaque-token", ACCESS)
  }
  assert.deepEqual((await introspect({})).clients, ["shop-api", "shop-web"])
  const asked = fake.asked.at(-1)!
  assert.deepEqual([asked.form.get("token"), asked.form.get("client_secret")], ["opaque-token", clientSecret.reveal()])
  const acts = await introspect({ aud: issuer, act: { sub: "agent-7" } })
  assert.equal(acts.delegated?.agent, "support-bot")
  const wrong: [string, object][] = [
    ["one that has ended", { active: false }],
    ["one that may have ended", { active: "true" }],
    ["a refresh token (pitfall 14)", { token_type: undefined }],
    ["one that is bound to a key", { token_type: "DPoP" }],
    ["one that is bound to a key by cnf", { cnf: { jkt: "x" } }],
    ["another issuer's", { iss: "https://attacker.example" }],
    ["one for nobody", { aud: undefined }],
    ["one of nobody", { sub: undefined }],
    ["one without an end", { exp: undefined }],
    ["a delegated one for others (pitfall 13)", { act: { sub: "agent-7" } }],
  ]
  for (const [what, said] of wrong) await assert.rejects(introspect(said), invalid, what)
  fake.answers.set("/introspect", () => ({ status: 503 }))
  await assert.rejects(verify(ours, "opaque-token", ACCESS), (error) => refusalCode(error) !== null)
  await assert.rejects(verify(ours, "opaque-token", ID), invalid)
})

test("a token that says what cannot be kept is refused as every other that is wrong", async () => {
  await using fake = await startFakeProvider()
  await using ours = await openTestProviders({ issuer: fake.issuer })
  const right = { aud: "shop-web", sid: "s-1", jti: "j-1" }
  for (const wrong of [
    { sub: "alice\u0000" },
    { sub: "al\u0007ice" },
    { sid: "s\u0000" },
    { jti: "j\u0000" },
    { aud: ["shop-web\u0000"] },
    { exp: 1e15 },
    { exp: 1e300 },
    { iat: -1e300 },
  ]) {
    const token = await fake.sign(idClaims(fake, { ...right, ...wrong }))
    await assert.rejects(verify(ours, token, ID), invalid, JSON.stringify(wrong))
  }
})

test("an opaque token is shown to nobody where two could read it, or none", async () => {
  await using fake = await startFakeProvider()
  await using other = await startFakeProvider()
  for (const each of [fake, other]) each.metadata["introspection_endpoint"] = `${each.issuer}/introspect`
  await using ours = await openTestProviders({ issuer: fake.issuer })
  const none = { clientAuthentication: "none" }
  await assert.rejects(verify(ours, "opaque-token", ACCESS), invalid)
  const reads = { ...none, accessTokens: "introspection" }
  ours.configure({ shop: { issuer: fake.issuer, ...reads }, other: { issuer: other.issuer, ...reads } })
  await assert.rejects(verify(ours, "opaque-token", ACCESS), invalid)
  assert.deepEqual([fake.count("/introspect"), other.count("/introspect")], [0, 0])
  // One that reads none may have issued it as well.
  ours.configure({ shop: { issuer: fake.issuer, accessTokens: "none" }, other: { issuer: other.issuer, ...reads } })
  await assert.rejects(verify(ours, "opaque-token", ACCESS), invalid)
  assert.equal(other.count("/introspect"), 0)
  ours.configure({ shop: { issuer: fake.issuer, ...reads }, other: { issuer: other.issuer, ...reads } })
  const answer = { active: true, token_type: "bearer", sub: "bob", aud: "a", exp: seconds() + 60 }
  other.answers.set("/introspect", () => ({ body: answer }))
  const shown = { token: "opaque-token", type: ACCESS, provider: "other" }
  assert.equal((await ours.providers.verifySubjectToken(shown)).sub, "bob")
  assert.equal(fake.count("/introspect"), 0)
})

test("a provider that cannot be asked makes nobody's token invalid: it may be tried later", async () => {
  await using fake = await startFakeProvider()
  await using ours = await openTestProviders({ issuer: fake.issuer })
  fake.answers.set("/jwks", () => ({ status: 500 }))
  await assert.rejects(verify(ours, await fake.sign(idClaims(fake)), ID), { code: "provider-unavailable" })
})

test("whatever is presented, it is invalid, and says so", async () => {
  await using fake = await startFakeProvider()
  await using ours = await openTestProviders({ issuer: fake.issuer })
  const token = await fake.sign(idClaims(fake))
  const edits = fc.tuple(fc.nat(token.length - 1), fc.string({ maxLength: 3 }), fc.nat(3)).map(([from, text, cut]) => {
    const edited = token.slice(0, from) + text + token.slice(from + cut)
    return edited === token ? "" : edited
  })
  const type = fc.constantFrom(ID, ACCESS, JAG)
  await fc.assert(
    fc.asyncProperty(
      fc.oneof(fc.string(), edits, fc.string({ minLength: 40_000, maxLength: 40_001 })),
      type,
      async (text, as) => {
        await assert.rejects(verify(ours, text, as), invalid)
      },
    ),
    { numRuns: 300 },
  )
})

test("pitfall 24: a token of a sign-in that was weaker than is demanded here, or does not say, opens nothing", async () => {
  await using fake = await startFakeProvider()
  await using ours = await openTestProviders({ issuer: fake.issuer, acrValues: ["high", "higher"] })
  const idToken = (acr?: unknown) =>
    fake.sign(idClaims(fake, { aud: "shop-web", ...(acr === undefined ? {} : { acr }) }))
  for (const acr of ["high", "higher"]) await verify(ours, await idToken(acr), ID)
  for (const acr of [undefined, "low", "", 7, ["high"]]) {
    await assert.rejects(verify(ours, await idToken(acr), ID), { code: "subject-token-invalid" }, String(acr))
  }
  const access = await fake.sign(accessClaims(fake), at)
  await assert.rejects(verify(ours, access, ACCESS), { code: "subject-token-invalid" }, "an access token does not say")
})
