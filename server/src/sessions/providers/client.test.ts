import assert from "node:assert/strict"
import { test } from "node:test"
import { decodeJwt } from "jose"
import { openTestProviders, redirectUri } from "./fixture.ts"
import { startFakeProvider } from "./provider.fixture.ts"

const request = { provider: "shop", redirectUri }

test("pitfall 4: where an assertion names the endpoint that is asked, it names that one alone", async () => {
  await using fake = await startFakeProvider()
  const par = `${fake.issuer}/par`
  fake.metadata["pushed_authorization_request_endpoint"] = par
  fake.answers.set("/par", () => ({ status: 201, body: { request_uri: "urn:a", expires_in: 60 } }))
  await using ours = await openTestProviders({ issuer: fake.issuer, profile: "okta" })
  const { pending } = await ours.providers.beginSignIn(request)
  const audienceOfLast = () => decodeJwt(fake.asked.at(-1)!.form.get("client_assertion")!).aud
  assert.equal(audienceOfLast(), par)
  const back = new URL(`${redirectUri}?code=c&state=${pending.state}&iss=${encodeURIComponent(fake.issuer)}`)
  await assert.rejects(ours.providers.finishSignIn(pending, back), { code: "sign-in-failed" })
  assert.equal(audienceOfLast(), fake.metadata["token_endpoint"])
})

test("pitfall 4: an endpoint at another origin than its issuer's gets no assertion that names it", async () => {
  await using fake = await startFakeProvider()
  await using honest = await startFakeProvider()
  fake.metadata["pushed_authorization_request_endpoint"] = `${honest.issuer}/par`
  await using ours = await openTestProviders({ issuer: fake.issuer, profile: "okta" })
  await assert.rejects(ours.providers.beginSignIn(request), { code: "provider-unavailable" })
  assert.equal(honest.asked.length, 0)
})
