import assert from "node:assert/strict"
import { test } from "node:test"
import type { JWTPayload } from "jose"
import { base64url, sha256, systemClock } from "#kernel"
import { openTestProviders, redirectUri, type TestProviders } from "./fixture.ts"
import type { PendingSignIn } from "./index.ts"
import { type FakeProvider, idClaims, seconds, startFakeProvider } from "./provider.fixture.ts"

const challenge = sha256("what is to be agreed to")
const nonce = base64url(challenge)
const failed = { code: "sign-in-failed" }
const alice = ({ issuer }: FakeProvider) => ({ iss: issuer, sub: "alice" })

async function stepUp(
  { providers }: TestProviders,
  fake: FakeProvider,
  claims: JWTPayload,
  { user = alice(fake), over = challenge }: { user?: { iss: string; sub: string }; over?: Uint8Array } = {},
) {
  const { pending } = await providers.beginStepUp({ provider: "shop", redirectUri, challenge })
  return await finish(providers, fake, pending, claims, { user, over })
}

async function finish(
  providers: TestProviders["providers"],
  fake: FakeProvider,
  pending: PendingSignIn,
  claims: JWTPayload,
  { user, over }: { user: { iss: string; sub: string }; over: Uint8Array },
) {
  fake.answers.set("/token", async () => ({
    body: {
      access_token: "opaque",
      token_type: "Bearer",
      id_token: await fake.sign(idClaims(fake, { nonce, auth_time: seconds(), ...claims })),
    },
  }))
  const url = new URL(redirectUri)
  url.search = new URLSearchParams({ code: "c", state: pending.state, iss: fake.issuer }).toString()
  return await providers.finishStepUp({ pending, url, user, challenge: over })
}

test("the provider is asked for a fresh proof over the challenge, and its signed word is what comes back", async () => {
  await using fake = await startFakeProvider()
  await using ours = await openTestProviders({
    issuer: fake.issuer,
    acrValues: ["low"],
    stepUp: { acrValues: ["high", "higher"], prompt: "login" },
  })
  const { url } = await ours.providers.beginStepUp({ provider: "shop", redirectUri, challenge })
  const asked = new URL(url).searchParams
  const { max_age, acr_values, prompt, nonce: signedOver } = Object.fromEntries(asked)
  assert.deepEqual(
    { max_age, acr_values, prompt, signedOver },
    {
      max_age: "0",
      acr_values: "high higher",
      prompt: "login",
      signedOver: nonce,
    },
  )
  const { idToken, payload, key, ...proof } = await stepUp(ours, fake, { acr: "higher", amr: ["hwk", 7] })
  assert.equal(payload["nonce"], nonce)
  assert.equal(idToken.split(".").length, 3)
  assert.deepEqual({ ...key }, { kty: "EC", crv: "P-256", x: fake.key.jwk.x, y: fake.key.jwk.y })
  assert.deepEqual(
    { ...proof, authTimeMs: 0, issuedAtMs: 0 },
    {
      provider: "shop",
      issuer: fake.issuer,
      clientId: "safeconduct",
      subjectClaim: "sub",
      subject: "alice",
      algorithm: "ES256",
      acr: "higher",
      amr: ["hwk"],
      authTimeMs: 0,
      issuedAtMs: 0,
    },
  )
})

const refused: { [what: string]: JWTPayload } = {
  "an older sign-in": { auth_time: seconds() - 600 },
  "no time of signing in": { auth_time: undefined },
  "a time that is no time": { auth_time: "now" as never },
  "a time to come": { auth_time: seconds() + 600 },
  "another subject": { sub: "mallory" },
  "another challenge": { nonce: base64url(sha256("something else")) },
  "no nonce": { nonce: undefined },
  "less than was demanded": { acr: "low" },
  "nothing of what was demanded": { acr: undefined },
}
for (const [what, claims] of Object.entries(refused)) {
  test(`${what} proves nothing`, async () => {
    await using fake = await startFakeProvider()
    await using ours = await openTestProviders({ issuer: fake.issuer, stepUp: { acrValues: ["high"] } })
    await assert.rejects(stepUp(ours, fake, { acr: "high", ...claims }), failed)
  })
}

test("who signed in freshly, but before they were sent here, has not decided this", async () => {
  await using fake = await startFakeProvider()
  await using ours = await openTestProviders({ issuer: fake.issuer })
  const { pending } = await ours.providers.beginStepUp({ provider: "shop", redirectUri, challenge })
  // As if it had been begun after the sign-in that the token tells of: the age that was asked for is met all the same.
  const later = { ...pending, begunAtMs: pending.begunAtMs + 100_000 }
  const of = { user: alice(fake), over: challenge }
  const token = { iat: seconds() + 45, auth_time: seconds() }
  await assert.rejects(finish(ours.providers, fake, later, token, of), failed)
  assert.equal(
    (await finish(ours.providers, fake, later, { ...token, auth_time: seconds() + 45 }, of)).subject,
    "alice",
  )
})

test("the user whom it is asked of, and what they were asked, are compared with what the token says", async () => {
  await using fake = await startFakeProvider()
  await using ours = await openTestProviders({ issuer: fake.issuer })
  await assert.rejects(stepUp(ours, fake, {}, { user: { iss: fake.issuer, sub: "bob" } }), failed)
  await assert.rejects(stepUp(ours, fake, {}, { user: { iss: "https://id.other.example", sub: "alice" } }), failed)
  await assert.rejects(stepUp(ours, fake, {}, { over: sha256("something else") }), failed)
  assert.equal((await stepUp(ours, fake, {})).subject, "alice")
})

test("what is demanded by now is demanded of one that was begun before", async () => {
  await using fake = await startFakeProvider()
  await using ours = await openTestProviders({ issuer: fake.issuer })
  const { pending } = await ours.providers.beginStepUp({ provider: "shop", redirectUri, challenge })
  ours.configure({ shop: { issuer: fake.issuer, stepUp: { acrValues: ["high"] } } })
  const of = { user: alice(fake), over: challenge }
  await assert.rejects(finish(ours.providers, fake, pending, { acr: "low" }, of), failed)
  ours.configure({ shop: { issuer: fake.issuer } })
  assert.equal((await finish(ours.providers, fake, pending, { acr: "low" }, of)).acr, "low")
})

test("a clock of ours that differs by less than a minute refuses nobody", async () => {
  await using fake = await startFakeProvider()
  const clock = { ...systemClock, nowMs: () => Date.now() + 45_000 }
  await using ours = await openTestProviders({ issuer: fake.issuer }, clock)
  assert.equal((await stepUp(ours, fake, {})).subject, "alice")
})
