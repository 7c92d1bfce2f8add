import assert from "node:assert/strict"
import { createSecretKey } from "node:crypto"
import { test } from "node:test"
import fc from "fast-check"
import { base64url as encode, type JWTPayload, SignJWT } from "jose"
import { clientSecret, openTestProviders, redirectUri, type TestProviders } from "./fixture.ts"
import type { SignInRequest } from "./index.ts"
import { type FakeProvider, idClaims, logoutClaims, newKey, seconds, startFakeProvider } from "./provider.fixture.ts"

const request: SignInRequest = { provider: "shop", redirectUri }
const failed = { code: "sign-in-failed" }
const unsigned = (header: object, payload: object, signature = "") =>
  `${[header, payload].map((part) => encode.encode(JSON.stringify(part))).join(".")}.${signature}`

/** Where the provider sends the browser back to. */
function back(state: string, iss: string | null, more: Record<string, string> = {}): URL {
  const url = new URL(redirectUri)
  url.search = new URLSearchParams({ code: "the-code", state, ...(iss === null ? {} : { iss }), ...more }).toString()
  return url
}

/** Signs in with this ID token, made of the sign-in's nonce. */
async function signIn(
  { providers }: TestProviders,
  fake: FakeProvider,
  idToken: (nonce: string) => string | Promise<string>,
  asked: Partial<SignInRequest> = {},
) {
  const { pending } = await providers.beginSignIn({ ...request, ...asked })
  fake.answers.set("/token", async () => ({
    body: { access_token: "opaque", token_type: "Bearer", id_token: await idToken(pending.nonce) },
  }))
  return await providers.finishSignIn(pending, back(pending.state, fake.issuer))
}
const signed =
  (fake: FakeProvider, more: JWTPayload = {}, header = {}) =>
  (nonce: string) =>
    fake.sign(idClaims(fake, { nonce, ...more }), header)

test("pitfall 1: an answer from another provider than the one that was asked is not taken to the token endpoint", async () => {
  await using fake = await startFakeProvider()
  await using ours = await openTestProviders({ issuer: fake.issuer })
  const { pending } = await ours.providers.beginSignIn(request)
  const others = [null, "https://attacker.example", `${fake.issuer}/`, fake.issuer.toUpperCase(), ""]
  for (const iss of others) {
    await assert.rejects(ours.providers.finishSignIn(pending, back(pending.state, iss)), failed, String(iss))
  }
  const twice = back(pending.state, fake.issuer)
  twice.searchParams.append("iss", "https://attacker.example")
  await assert.rejects(ours.providers.finishSignIn(pending, twice), failed)
  // Where the provider sends no iss, one that comes is still compared.
  fake.metadata["authorization_response_iss_parameter_supported"] = false
  const lax = ours.another()
  await assert.rejects(lax.finishSignIn(pending, back(pending.state, "https://attacker.example")), failed)
  assert.equal(fake.count("/token"), 0)
})

test("pitfall 2: a sign-in ends where it was begun: same provider, same issuer, same redirect URI", async () => {
  await using fake = await startFakeProvider()
  await using other = await startFakeProvider()
  await using ours = await openTestProviders({ issuer: fake.issuer })
  ours.configure({ shop: { issuer: fake.issuer }, other: { issuer: other.issuer } })
  const { pending } = await ours.providers.beginSignIn(request)
  const there = back(pending.state, fake.issuer)
  for (const place of ["/sign-in/other/callback", "/sign-in/shop/callback/", "/sign-in/shop/callback/x"]) {
    const elsewhere = new URL(there)
    elsewhere.pathname = place
    await assert.rejects(ours.providers.finishSignIn(pending, elsewhere), failed, place)
  }
  await assert.rejects(ours.providers.finishSignIn({ ...pending, provider: "other" }, there), failed)
  // The name leads elsewhere since then.
  ours.configure({ shop: { issuer: other.issuer } })
  await assert.rejects(ours.providers.finishSignIn(pending, there), failed)
  ours.configure({})
  await assert.rejects(ours.providers.finishSignIn(pending, there), { code: "provider-unknown" })
  assert.deepEqual([fake.count("/token"), other.count("/token")], [0, 0])
})

test("pitfall 1: where a provider sends no iss, what was begun at one issuer is not finished at another", async () => {
  await using fake = await startFakeProvider()
  await using attacker = await startFakeProvider()
  for (const each of [fake, attacker]) delete each.metadata["authorization_response_iss_parameter_supported"]
  await using ours = await openTestProviders({ issuer: fake.issuer })
  const { pending } = await ours.providers.beginSignIn(request)
  ours.configure({ shop: { issuer: attacker.issuer } })
  await assert.rejects(ours.providers.finishSignIn(pending, back(pending.state, null)), failed)
  ours.configure({ shop: { issuer: fake.issuer }, other: { issuer: attacker.issuer } })
  const swapped = { ...pending, provider: "other" }
  await assert.rejects(ours.providers.finishSignIn(swapped, back(pending.state, null)), failed)
  assert.deepEqual([fake.count("/token"), attacker.count("/token")], [0, 0])
})

test("pitfall 3: an answer without the state of this sign-in is not taken to the token endpoint", async () => {
  await using fake = await startFakeProvider()
  await using ours = await openTestProviders({ issuer: fake.issuer })
  const [own, others] = [await ours.providers.beginSignIn(request), await ours.providers.beginSignIn(request)]
  for (const state of ["", others.pending.state, own.pending.state.slice(1)]) {
    await assert.rejects(ours.providers.finishSignIn(own.pending, back(state, fake.issuer)), failed, state)
  }
  const twice = back(own.pending.state, fake.issuer)
  twice.searchParams.append("state", others.pending.state)
  await assert.rejects(ours.providers.finishSignIn(own.pending, twice), failed)
  assert.equal(fake.count("/token"), 0)
})

test("what the provider refuses, and what it does not say, is no sign-in", async () => {
  await using fake = await startFakeProvider()
  await using ours = await openTestProviders({ issuer: fake.issuer })
  const { pending } = await ours.providers.beginSignIn(request)
  const finish = (more: Record<string, string>) =>
    ours.providers.finishSignIn(pending, back(pending.state, fake.issuer, more))
  await assert.rejects(finish({ error: "access_denied" }), failed)
  await assert.rejects(finish({ id_token: "x" }), failed)
  await assert.rejects(finish({ response: "x" }), failed)
  assert.equal(fake.count("/token"), 0)
  const answers = [
    { status: 400, body: { error: "invalid_grant" } },
    { body: { access_token: "opaque", token_type: "Bearer" } },
    { body: { id_token: "a.b.c", access_token: "opaque", token_type: "Bearer" } },
    { body: { id_token: 7, access_token: "opaque", token_type: "Bearer" } },
    { body: {} },
    { body: "<html>" },
  ]
  for (const answer of answers) {
    fake.answers.set("/token", () => answer)
    await assert.rejects(finish({}), failed, JSON.stringify(answer))
  }
})

test("a user who takes longer than a quarter of an hour begins anew", async () => {
  await using fake = await startFakeProvider()
  let nowMs = Date.now()
  await using ours = await openTestProviders({ issuer: fake.issuer }, { nowMs: () => nowMs })
  const { pending } = await ours.providers.beginSignIn(request)
  nowMs += 16 * 60_000
  await assert.rejects(ours.providers.finishSignIn(pending, back(pending.state, fake.issuer)), failed)
  assert.equal(fake.count("/token"), 0)
})

test("an ID token that is right is taken, with what the provider says of the sign-in", async () => {
  await using fake = await startFakeProvider()
  await using ours = await openTestProviders({ issuer: fake.issuer, acrValues: ["high"] })
  const about = { sid: "s-1", acr: "high", amr: ["pwd", "hwk"], auth_time: seconds() - 5 }
  const found = await signIn(ours, fake, signed(fake, about))
  const { sub, sid, acr, amr, authTimeMs } = found
  assert.deepEqual([sub, sid, acr, amr, authTimeMs], ["alice", "s-1", "high", ["pwd", "hwk"], about.auth_time * 1000])
  await signIn(ours, fake, signed(fake, about, { typ: "JWT" }))
  const asked = new URL((await ours.providers.beginSignIn(request)).url).searchParams
  assert.deepEqual([asked.get("acr_values"), asked.get("code_challenge_method")], ["high", "S256"])
  assert.deepEqual([asked.get("response_type"), asked.get("code_challenge")?.length], ["code", 43])
})

test("pitfall 20: nothing that a provider hands over for the user is kept, a refresh token least of all", async () => {
  await using fake = await startFakeProvider()
  await using ours = await openTestProviders({ issuer: fake.issuer, scopes: ["openid", "offline_access"] })
  const { pending } = await ours.providers.beginSignIn(request)
  const id_token = await fake.sign(idClaims(fake, { nonce: pending.nonce }))
  const body = { access_token: "the-access-token", token_type: "Bearer", refresh_token: "the-refresh-token", id_token }
  fake.answers.set("/token", () => ({ body }))
  const found = JSON.stringify(await ours.providers.finishSignIn(pending, back(pending.state, fake.issuer)))
  for (const secret of ["the-access-token", "the-refresh-token", id_token, pending.verifier]) {
    assert.ok(!found.includes(secret), secret)
  }
})

test("an ID token that is not exactly right is refused", async () => {
  await using fake = await startFakeProvider()
  await using ours = await openTestProviders({ issuer: fake.issuer })
  const stranger = await newKey("key-1")
  const wrong: Record<string, (nonce: string) => string | Promise<string>> = {
    "no nonce": () => fake.sign(idClaims(fake)),
    "another's nonce": () => fake.sign(idClaims(fake, { nonce: "other" })),
    "another issuer": signed(fake, { iss: "https://attacker.example" }),
    "another audience": signed(fake, { aud: "other" }),
    "more audiences, and nobody who asked": signed(fake, { aud: ["safeconduct", "other"] }),
    "more audiences, and another who asked": signed(fake, { aud: ["safeconduct", "other"], azp: "other" }),
    "no subject": (nonce) => fake.sign({ ...idClaims(fake, { nonce }), sub: undefined } as unknown as JWTPayload),
    "an empty subject": signed(fake, { sub: "" }),
    expired: signed(fake, { exp: seconds() - 120 }),
    "made in the future": signed(fake, { iat: seconds() + 7_200, nbf: seconds() + 3_600 }),
    "pitfall 15: another's signature under its key's name": (nonce) =>
      fake.sign(idClaims(fake, { nonce }), {}, stranger),
    "pitfall 15: a key that it brings along": (nonce) =>
      fake.sign(idClaims(fake, { nonce }), { jwk: stranger.jwk, jku: "https://a.example/", kid: "x" }, stranger),
    "pitfall 15: alg none": (nonce) => unsigned({ alg: "none" }, idClaims(fake, { nonce })),
    "pitfall 15: alg none with something like a signature": (nonce) =>
      unsigned({ alg: "none", kid: "key-1" }, idClaims(fake, { nonce }), "AAAA"),
    "pitfall 15: the public key as password": (nonce) =>
      new SignJWT(idClaims(fake, { nonce }))
        .setProtectedHeader({ alg: "HS256", kid: "key-1" })
        .sign(createSecretKey(Buffer.from(JSON.stringify(fake.key.jwk)))),
    "pitfall 14: an access token": signed(fake, {}, { typ: "at+jwt" }),
    "pitfall 14: an access token by its long name": signed(fake, {}, { typ: "application/AT+jwt" }),
    "pitfall 14: a logout token": (nonce) => fake.sign(logoutClaims(fake, { nonce })),
    "a critical extension": signed(fake, {}, { crit: ["b64"], b64: true }),
    "somebody who acts for the user": signed(fake, { act: { sub: "agent" } }),
    nothing: () => "",
  }
  for (const [what, idToken] of Object.entries(wrong)) await assert.rejects(signIn(ours, fake, idToken), failed, what)
  await signIn(ours, fake, signed(fake))
})

test("pitfall 24: acr and auth_time that were asked for and are not met, or missing, are no sign-in", async () => {
  await using fake = await startFakeProvider()
  await using ours = await openTestProviders({ issuer: fake.issuer })
  const high = { acrValues: ["high", "higher"] }
  for (const acr of [undefined, "low", "", 7]) {
    await assert.rejects(signIn(ours, fake, signed(fake, { acr }), high), failed, String(acr))
  }
  await signIn(ours, fake, signed(fake, { acr: "higher" }), high)
  for (const auth_time of [undefined, seconds() - 600, "now"]) {
    await assert.rejects(signIn(ours, fake, signed(fake, { auth_time }), { maxAgeSeconds: 60 }), failed)
  }
  await signIn(ours, fake, signed(fake, { auth_time: seconds() }), { maxAgeSeconds: 60 })
})

test("claims that the ID token lacks come from UserInfo, of the same subject alone", async () => {
  await using fake = await startFakeProvider()
  fake.metadata["userinfo_endpoint"] = `${fake.issuer}/userinfo`
  await using ours = await openTestProviders({ issuer: fake.issuer, claims: { customer: "customer_id", tier: "tier" } })
  fake.answers.set("/userinfo", () => ({ body: { sub: "alice", customer_id: "other", tier: "gold" } }))
  const found = await signIn(ours, fake, signed(fake, { customer_id: "1001" }))
  assert.deepEqual(found.claims, { customer: ["1001"], tier: ["gold"] })
  fake.answers.set("/userinfo", () => ({ body: { sub: "bob", customer_id: "2002" } }))
  await assert.rejects(signIn(ours, fake, signed(fake)), failed)
  const before = fake.count("/userinfo")
  await signIn(ours, fake, signed(fake, { customer_id: "1001", tier: "gold" }))
  assert.equal(fake.count("/userinfo"), before)
})

test("pitfall 17: an endpoint that redirects, or cannot be reached, says nothing, and the sign-in may be tried later", async () => {
  await using fake = await startFakeProvider()
  await using ours = await openTestProviders({ issuer: fake.issuer })
  const { pending } = await ours.providers.beginSignIn(request)
  const finish = () => ours.providers.finishSignIn(pending, back(pending.state, fake.issuer))
  fake.answers.set("/token", () => ({ status: 307, headers: { location: "http://169.254.169.254/" } }))
  await assert.rejects(finish(), { code: "provider-unavailable" })
  fake.answers.set("/token", () => ({ body: "x".repeat(300_000) }))
  await assert.rejects(finish(), { code: "provider-unavailable" })
  fake.answers.set("/.well-known/openid-configuration", () => ({ status: 500 }))
  await assert.rejects(ours.another().beginSignIn(request), { code: "provider-unavailable" })
})

test("details are asked of a provider that can show them, and what it granted comes back", async () => {
  await using fake = await startFakeProvider()
  await using ours = await openTestProviders({ issuer: fake.issuer })
  const detail = { type: "safeconduct_action", actions: ["credential:read"], locations: ["kb"] }
  const asked = { ...request, authorizationDetails: [detail, { type: "other" }] }
  const sent = (url: string) => new URL(url).searchParams.get("authorization_details")
  assert.equal(sent((await ours.providers.beginSignIn(asked)).url), null)
  fake.metadata["authorization_details_types_supported"] = ["safeconduct_action"]
  const providers = ours.another()
  const { url, pending } = await providers.beginSignIn(asked)
  assert.deepEqual(JSON.parse(sent(url)!), [detail])
  const id_token = await fake.sign(idClaims(fake, { nonce: pending.nonce }))
  fake.answers.set("/token", () => ({
    body: { access_token: "opaque", token_type: "Bearer", id_token, authorization_details: [detail] },
  }))
  const found = await providers.finishSignIn(pending, back(pending.state, fake.issuer))
  assert.deepEqual(found.authorizationDetails, [detail])
})

test("a provider that knows us by a secret is not asked before we have it, nor with another issuer's", async () => {
  await using fake = await startFakeProvider()
  await using other = await startFakeProvider()
  const byPost = { clientAuthentication: "client_secret_post" }
  await using ours = await openTestProviders({ issuer: fake.issuer, ...byPost })
  await assert.rejects(ours.providers.beginSignIn(request), { code: "provider-not-configured" })
  await ours.providers.setSecret("shop", clientSecret, "spiffe://example.org/operator/olga")
  await ours.another().beginSignIn(request)
  ours.configure({ shop: { issuer: other.issuer, ...byPost } })
  await assert.rejects(ours.providers.beginSignIn(request), { code: "provider-not-configured" })
  ours.configure({ shop: { issuer: fake.issuer, clientId: "another", ...byPost } })
  await assert.rejects(ours.providers.beginSignIn(request), { code: "provider-not-configured" })
})

test("whatever stands in the URL that a browser comes back with, it is no sign-in, and says so", async () => {
  await using fake = await startFakeProvider()
  await using ours = await openTestProviders({ issuer: fake.issuer })
  const { pending } = await ours.providers.beginSignIn(request)
  fake.answers.set("/token", () => ({ status: 400, body: { error: "invalid_grant" } }))
  const names = fc.constantFrom("code", "state", "iss", "error", "error_description", "id_token", "response", "x")
  const values = fc.oneof(fc.string(), fc.constantFrom(pending.state, fake.issuer, "the-code"))
  await fc.assert(
    fc.asyncProperty(fc.array(fc.tuple(names, values), { maxLength: 6 }), fc.string(), async (pairs, hash) => {
      const url = new URL(redirectUri)
      url.search = new URLSearchParams(pairs).toString()
      url.hash = hash
      await assert.rejects(ours.providers.finishSignIn(pending, url), failed)
    }),
  )
})

test("pitfall 24: a sign-in that was begun before an acr was demanded has to have it all the same", async () => {
  await using fake = await startFakeProvider()
  await using ours = await openTestProviders({ issuer: fake.issuer })
  const { pending } = await ours.providers.beginSignIn(request)
  ours.configure({ shop: { issuer: fake.issuer, acrValues: ["high"] } })
  const finish = async (acr: string) => {
    const id_token = await fake.sign(idClaims(fake, { nonce: pending.nonce, acr }))
    fake.answers.set("/token", () => ({ body: { access_token: "opaque", token_type: "Bearer", id_token } }))
    return await ours.providers.finishSignIn(pending, back(pending.state, fake.issuer))
  }
  await assert.rejects(finish("low"), failed)
  assert.equal((await finish("high")).acr, "high")
})
