import assert from "node:assert/strict"
import { test } from "node:test"
import fc from "fast-check"
import type { JWTPayload } from "jose"
import { clientSecret, openTestProviders, ownJwks, redirectUri } from "./fixture.ts"
import { LOGOUT_EVENT } from "./id-token.ts"
import { idClaims, logoutClaims, newKey, seconds, startFakeProvider } from "./provider.fixture.ts"
import { startRealProvider } from "./real-provider.fixture.ts"

const invalid = { code: "logout-token-invalid" }
const typed = { typ: "logout+jwt" }

test("a logout token names what has ended, typed as the specification has it or not at all", async () => {
  await using fake = await startFakeProvider()
  await using ours = await openTestProviders({ issuer: fake.issuer })
  const verify = (token: string) => ours.providers.verifyLogoutToken("shop", token)
  for (const header of [typed, {}, { typ: "JWT" }, { typ: "application/logout+jwt" }]) {
    const found = await verify(await fake.sign(logoutClaims(fake, { jti: "j-1" }), header))
    assert.deepEqual([found.provider, found.iss, found.sub, found.sid], ["shop", fake.issuer, "alice", "session-1"])
  }
  const only = async (more: JWTPayload) => {
    const { sub, sid } = await verify(await fake.sign(logoutClaims(fake, more), typed))
    return [sub, sid]
  }
  assert.deepEqual(await only({ sid: undefined }), ["alice", null])
  assert.deepEqual(await only({ sub: undefined as never }), [null, "session-1"])
  assert.deepEqual(await only({ aud: ["safeconduct"], exp: undefined as never }), ["alice", "session-1"])
})

test("a logout token that is not exactly right ends nothing", async () => {
  await using fake = await startFakeProvider()
  await using other = await startFakeProvider()
  await using ours = await openTestProviders({ issuer: fake.issuer })
  const stranger = await newKey("key-1")
  const sign = (more: JWTPayload, header: object = typed) => fake.sign(logoutClaims(fake, more), { ...header })
  const wrong: Record<string, string> = {
    "pitfall 14: an ID token": await fake.sign(idClaims(fake)),
    "pitfall 14: an access token's type": await sign({}, { typ: "at+jwt" }),
    "pitfall 14: one with a nonce": await sign({ nonce: "n" }),
    "pitfall 14: one with an empty nonce": await sign({ nonce: null }),
    "another issuer": await sign({ iss: other.issuer }),
    "another provider's": await other.sign(logoutClaims(other), typed),
    "another's key": await fake.sign(logoutClaims(fake), typed, stranger),
    "another audience": await sign({ aud: "other" }),
    "another audience too": await sign({ aud: ["safeconduct", "other"] }),
    "no audience": await sign({ aud: undefined as never }),
    "no event": await sign({ events: undefined }),
    "another event": await sign({ events: { "http://schemas.openid.net/event/other": {} } }),
    "an event that is no object": await sign({ events: { [LOGOUT_EVENT]: true } }),
    "events in a list": await sign({ events: [LOGOUT_EVENT] }),
    "neither sub nor sid": await sign({ sub: undefined as never, sid: undefined }),
    "a sub that is no text": await sign({ sub: 7 as never }),
    "no jti": await sign({ jti: undefined as never }),
    "no iat": await sign({ iat: undefined as never }),
    old: await sign({ iat: seconds() - 400 }),
    "of the future": await sign({ iat: seconds() + 400 }),
    expired: await sign({ exp: seconds() - 100 }),
    nothing: "",
    "no token": "a.b.c",
  }
  for (const [what, token] of Object.entries(wrong)) {
    await assert.rejects(ours.providers.verifyLogoutToken("shop", token), invalid, what)
  }
  await assert.rejects(ours.providers.verifyLogoutToken("typo", await sign({})), { code: "provider-unknown" })
  await ours.providers.verifyLogoutToken("shop", await sign({}))
})

test("where another claim says who a user is, a subject names nobody", async () => {
  await using fake = await startFakeProvider("/11111111-2222-3333-4444-555555555555/v2.0", "RS256")
  await using ours = await openTestProviders({ issuer: fake.issuer, profile: "entra" })
  const verify = async (more: JWTPayload) =>
    await ours.providers.verifyLogoutToken("shop", await fake.sign(logoutClaims(fake, more), typed))
  assert.equal((await verify({})).sub, null)
  await assert.rejects(verify({ sid: undefined }), invalid)
})

test("oidc-provider's logout token, as it sends it when a session ends there", async () => {
  let token = ""
  const client = {
    client_id: "safeconduct",
    redirect_uris: [redirectUri],
    token_endpoint_auth_method: "private_key_jwt" as const,
    jwks: ownJwks as never,
    backchannel_logout_uri: "http://127.0.0.1:9/logout",
    backchannel_logout_session_required: true,
  }
  await using real = await startRealProvider([client], {
    async fetch(_, init) {
      token = new URLSearchParams(String(init?.body)).get("logout_token") ?? ""
      return new Response(null, { status: 200 })
    },
  })
  await using ours = await openTestProviders({ issuer: real.issuer })
  const known = await real.provider.Client.find("safeconduct")
  await (known as unknown as { backchannelLogout(sub: string, sid: string): Promise<void> }).backchannelLogout(
    "alice",
    "s",
  )
  const found = await ours.providers.verifyLogoutToken("shop", token)
  assert.deepEqual([found.sub, found.sid, found.iss], ["alice", "s", real.issuer])
})

test("a browser is sent to end its session where the provider says, or where its profile knows", async () => {
  await using fake = await startFakeProvider()
  await using ours = await openTestProviders({ issuer: fake.issuer })
  const url = async (profile: string, more: object = {}) => {
    ours.configure({ shop: { issuer: fake.issuer, profile } })
    return await ours.another().logoutUrl({ provider: "shop", ...more })
  }
  assert.equal(await url("generic"), null)
  assert.equal(await url("google"), null)
  fake.metadata["end_session_endpoint"] = `${fake.issuer}/logout?tenant=1`
  const way = { redirectUri: "https://safeconduct.example/me", state: "s&t" }
  const asked = new URL((await url("generic", way))!).searchParams
  assert.deepEqual(Object.fromEntries(asked), {
    tenant: "1",
    client_id: "safeconduct",
    post_logout_redirect_uri: way.redirectUri,
    state: "s&t",
  })
  assert.equal(await url("okta", way), null)
  const hinted = new URL((await url("okta", { ...way, idToken: "a.b.c" }))!).searchParams
  assert.equal(hinted.get("id_token_hint"), "a.b.c")
  await assert.rejects(ours.providers.logoutUrl({ provider: "typo" }), { code: "provider-unknown" })
})

test("Auth0's own logout is used where its tenant publishes no end-session endpoint", async () => {
  await using fake = await startFakeProvider("/")
  await using ours = await openTestProviders({ issuer: fake.issuer, profile: "auth0" })
  const url = new URL((await ours.providers.logoutUrl({ provider: "shop", redirectUri: "https://a.example/" }))!)
  assert.equal(url.origin + url.pathname, `${fake.issuer}v2/logout`)
  assert.deepEqual(Object.fromEntries(url.searchParams), { client_id: "safeconduct", returnTo: "https://a.example/" })
})

test("whatever is posted as a logout token, it ends nothing, and says so", async () => {
  await using fake = await startFakeProvider()
  await using ours = await openTestProviders({ issuer: fake.issuer })
  await ours.providers.setSecret("shop", clientSecret, "spiffe://example.org/operator/olga")
  const names = fc.constantFrom("iss", "aud", "iat", "exp", "events", "sub", "sid", "jti", "nonce")
  const odd = fc.dictionary(names, fc.jsonValue(), { minKeys: 1, maxKeys: 2 })
  await fc.assert(
    fc.asyncProperty(odd, async (more) => {
      const claims = logoutClaims(fake, more as JWTPayload)
      const token = await fake.sign(claims, typed)
      const found = await ours.providers.verifyLogoutToken("shop", token).catch((error: unknown) => error)
      if (found instanceof Error) assert.equal((found as { code?: string }).code, "logout-token-invalid")
      else {
        // What is taken is what the specification has as right.
        assert.deepEqual([claims.iss, [claims.aud].flat(), "nonce" in claims], [fake.issuer, ["safeconduct"], false])
        assert.equal(typeof claims.jti, "string")
        assert.ok(typeof claims.sub === "string" || typeof claims["sid"] === "string")
      }
    }),
  )
})
