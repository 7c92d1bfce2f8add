import assert from "node:assert/strict"
import { test } from "node:test"
import { decodeJwt, decodeProtectedHeader } from "jose"
import { clientSecret, issuer, openTestProviders, ownJwks, redirectUri } from "./fixture.ts"
import { startRealProvider } from "./real-provider.fixture.ts"

const shop = {
  scopes: ["openid", "shop"],
  claims: { customer: "customer_id" },
  roles: { claim: "groups", values: { "sec-admins": ["admin"], auditors: ["auditor"] } },
}
const client = {
  client_id: "safeconduct",
  redirect_uris: [redirectUri],
  token_endpoint_auth_method: "private_key_jwt" as const,
  jwks: ownJwks as never,
}

test("somebody signs in at oidc-provider, by a pushed request and our key, and their claims come from UserInfo", async () => {
  await using real = await startRealProvider([client], { acrValues: ["high"] })
  await using ours = await openTestProviders({ issuer: real.issuer, ...shop })
  const { url, pending } = await ours.providers.beginSignIn({ provider: "shop", redirectUri })
  // Pushed: what we ask for is not in the browser's hands.
  assert.deepEqual([...new URL(url).searchParams.keys()].toSorted(), ["client_id", "request_uri"])
  const back = await real.visit(url)
  assert.equal(back.searchParams.get("iss"), real.issuer)
  // What is kept meanwhile is plain JSON.
  const found = await ours.providers.finishSignIn(JSON.parse(JSON.stringify(pending)), back)
  const { idTokenDigest, sid, authTimeMs, issuedAtMs, ...who } = found
  assert.deepEqual(who, {
    provider: "shop",
    iss: real.issuer,
    sub: "alice",
    claims: { customer: ["customer-alice"] },
    roles: ["admin", "auditor"],
    roleValues: ["auditors", "sec-admins"],
    acr: null,
    amr: [],
    authorizationDetails: null,
  })
  assert.match(idTokenDigest, /^[\w-]{43}$/)
  assert.ok(Math.abs(issuedAtMs - Date.now()) < 60_000)
  // Only asked for where it is registered or max_age is.
  assert.deepEqual([typeof sid, authTimeMs], ["object", null])
})

test("somebody signs in with each way that we prove who we are, whatever characters the secret has", async () => {
  const ways = ["client_secret_post", "client_secret_basic", "none"] as const
  const clients = ways.map((way) => ({
    ...client,
    jwks: undefined,
    client_id: way,
    token_endpoint_auth_method: way,
    ...(way === "none" ? {} : { client_secret: clientSecret.reveal() }),
  }))
  await using real = await startRealProvider(clients as never)
  for (const way of ways) {
    await using ours = await openTestProviders({ issuer: real.issuer, clientId: way, clientAuthentication: way })
    if (way !== "none") await ours.providers.setSecret("shop", clientSecret, "spiffe://example.org/operator/olga")
    const { url, pending } = await ours.providers.beginSignIn({ provider: "shop", redirectUri })
    assert.equal((await ours.providers.finishSignIn(pending, await real.visit(url, "bob"))).sub, "bob", way)
  }
})

test("pitfall 4: our assertion is for the issuer alone, whatever its metadata says", async () => {
  let assertion = ""
  await using real = await startRealProvider([client], {
    assertJwtClientAuthClaimsAndHeader: (ctx) => {
      assertion = String(
        (ctx as unknown as { oidc: { params: Record<string, unknown> } }).oidc.params["client_assertion"],
      )
    },
  })
  await using ours = await openTestProviders({ issuer: real.issuer })
  await ours.providers.beginSignIn({ provider: "shop", redirectUri })
  const { aud, iss, sub, exp = 0, iat = 0, jti } = decodeJwt(assertion)
  assert.deepEqual([aud, iss, sub, exp - iat <= 60], [real.issuer, "safeconduct", "safeconduct", true])
  assert.ok((jti ?? "").length >= 20)
  assert.deepEqual(decodeProtectedHeader(assertion), { alg: "ES256", kid: "our-key" })
  assert.notEqual(aud, issuer)
})

test("pitfall 24: a user who has to prove anew who they are has an auth_time, and the acr that was asked for", async () => {
  await using real = await startRealProvider([client], { acrValues: ["high", "low"] })
  await using ours = await openTestProviders({ issuer: real.issuer })
  const asked = { provider: "shop", redirectUri, maxAgeSeconds: 0 }
  const { url, pending } = await ours.providers.beginSignIn(asked)
  const found = await ours.providers.finishSignIn(pending, await real.visit(url))
  assert.ok(Math.abs((found.authTimeMs ?? 0) - Date.now()) < 60_000)
  // oidc-provider's own sign-in page says nothing of an acr: what is missing is not met.
  const high = await ours.providers.beginSignIn({ ...asked, acrValues: ["high"] })
  const back = await real.visit(high.url)
  await assert.rejects(ours.providers.finishSignIn(high.pending, back), { code: "sign-in-failed" })
})

test("a code is redeemed once", async () => {
  await using real = await startRealProvider([client])
  await using ours = await openTestProviders({ issuer: real.issuer })
  const { url, pending } = await ours.providers.beginSignIn({ provider: "shop", redirectUri })
  const back = await real.visit(url)
  await ours.providers.finishSignIn(pending, back)
  await assert.rejects(ours.providers.finishSignIn(pending, back), { code: "sign-in-failed" })
})

test("pitfall 19: a code of one sign-in is no good for another, which has its own verifier", async () => {
  await using real = await startRealProvider([client])
  await using ours = await openTestProviders({ issuer: real.issuer })
  const [one, two] = [
    await ours.providers.beginSignIn({ provider: "shop", redirectUri }),
    await ours.providers.beginSignIn({ provider: "shop", redirectUri }),
  ]
  const back = await real.visit(one.url)
  // Somebody who has the code of another's browser, and makes it fit their own sign-in's state.
  back.searchParams.set("state", two.pending.state)
  await assert.rejects(ours.providers.finishSignIn(two.pending, back), { code: "sign-in-failed" })
})
