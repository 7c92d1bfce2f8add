import assert from "node:assert/strict"
import { after, before, beforeEach, describe, test } from "node:test"
import { UnsecuredJWT } from "jose"
import { Secret } from "#kernel"
import { cibaProfiles } from "../ciba/profiles.ts"
import { newKey, seconds } from "../provider.fixture.ts"
import { changed, type StartedCiba, startCiba } from "./ciba.fixture.ts"
import { cibaVendors } from "./ciba-vendors.fixture.ts"
import type { Unsigned } from "./vendor.fixture.ts"

const code = "K7M-2QX"

/** What makes an ID token no yes of the user who was asked, whoever issues it. */
const wrong: { [what: string]: (token: Unsigned, at: StartedCiba) => Unsigned | Promise<string> } = {
  "about another user": changed({ sub: "somebody-else" }),
  "of another issuer": changed({ iss: "https://id.other.example" }),
  "for another client": changed({ aud: "another-client" }),
  "for another client too, which asked for it": changed({ aud: ["safeconduct", "another"], azp: "another" }),
  "that has expired": changed({ exp: seconds() - 600 }),
  "that was issued before anything was asked": changed({ iat: seconds() - 600 }),
  "made in the future": changed({ iat: seconds() + 600 }),
  "about another request": changed({ "urn:openid:params:jwt:claim:auth_req_id": "another" }),
  "that an agent acts by": changed({ act: { sub: "some-agent" } }),
  "that nobody signed": async ({ payload }) => new UnsecuredJWT(payload).encode(),
  "signed by somebody else under the name of its key": async (token, { started: { fake } }) =>
    await fake.sign(token.payload, token.header, await newKey(fake.key.kid, fake.key.alg)),
}

for (const of of cibaVendors) {
  const { profile } = of.vendor
  describe(`asking users at ${profile}`, () => {
    let at: StartedCiba
    before(async () => {
      at = await startCiba(of)
    })
    after(() => at[Symbol.asyncDispose]())
    beforeEach(() => {
      at.instead = null
      at.isTooFast = false
      at.alter = (token) => token
    })

    const ask = async (more: object = {}) =>
      await at.ours.providers.ask({ provider: "shop", user: at.user, code, expirySeconds: 120, ...more })
    const asked = async () => {
      const askedAtMs = Date.now()
      const asking = await ask()
      assert.ok(asking.state === "asked", JSON.stringify(asking))
      const { iss, sub } = at.user
      return {
        ...asking,
        pending: { provider: "shop", issuer: iss, authReqId: asking.authReqId, user: { iss, sub }, askedAtMs },
      }
    }
    const poll = async (pending: Awaited<ReturnType<typeof asked>>["pending"]) => await at.ours.providers.poll(pending)

    test("the person is asked as the documents have it, with the code that we show too", async () => {
      const asking = await asked()
      const { form } = at.last()
      const { expiryParameter, hintFormat } = cibaProfiles[profile]!
      assert.equal(form.get("binding_message"), code)
      assert.equal(form.get(expiryParameter), "120")
      assert.equal(form.has(expiryParameter === "request_expiry" ? "requested_expiry" : "request_expiry"), false)
      assert.equal(form.get("login_hint")?.startsWith("{"), hintFormat === "iss_sub_json")
      assert.equal(asking.intervalSeconds, of.acknowledgement.interval ?? 5)
      assert.ok(asking.expiresInSeconds <= 120)
      assert.equal(asking.authReqId.toString(), "[secret]")
    })

    test("no answer, too fast, and a yes, which any server may fetch, once", async () => {
      const { pending } = await asked()
      assert.deepEqual(await poll(pending), { state: "pending", isTooFast: false, retryAfterSeconds: null })
      at.isTooFast = of.hasSlowDown
      assert.deepEqual(await poll(pending), { state: "pending", isTooFast: of.hasSlowDown, retryAfterSeconds: null })
      at.isTooFast = false
      at.last().state = "approved"
      const polled = await at.ours.another().poll(pending)
      assert.ok(polled.state === "approved", JSON.stringify(polled))
      assert.equal(polled.proof.subject, of.vendor.expected.sub)
      assert.equal(polled.proof.issuer, at.started.issuer)
      assert.equal(polled.proof.key.kty, "RSA")
      assert.deepEqual(await poll(pending), { state: "failed", error: "invalid_grant" })
    })

    test("a no, and nothing in time, are what they are", async () => {
      const { pending } = await asked()
      at.last().state = "denied"
      assert.deepEqual(await poll(pending), { state: "denied" })
      at.last().state = "expired"
      assert.deepEqual(await poll(pending), { state: "expired" })
    })

    test("a provider that is busy or broken is asked again, when it says", async () => {
      const { pending } = await asked()
      at.instead = { status: 503, headers: { "retry-after": "7" }, body: "busy" }
      assert.deepEqual(await poll(pending), { state: "unavailable", retryAfterSeconds: 7 })
      at.instead = { status: 500, body: { error: "server_error" } }
      assert.deepEqual(await poll(pending), { state: "unavailable", retryAfterSeconds: null })
      at.instead = { status: 302, headers: { location: "https://elsewhere.example" } }
      assert.deepEqual(await poll(pending), { state: "unavailable", retryAfterSeconds: null })
      at.instead = { status: 503, body: {} }
      await assert.rejects(ask(), { code: "provider-unavailable" })
      at.instead = null
      at.last().state = "approved"
      assert.equal((await poll(pending)).state, "approved")
    })

    for (const [what, alter] of Object.entries(wrong)) {
      test(`an ID token ${what} is no yes`, async () => {
        const { pending } = await asked()
        at.last().state = "approved"
        at.alter = (token) => alter(token, at)
        const polled = await poll(pending)
        assert.equal(polled.state, "failed")
      })
    }

    test("who the provider would not ask, or for whom it gave no name, is not asked", async () => {
      const unknown = { ...at.user, sub: "nobody", claims: { login: ["nobody"] } }
      const refused = await ask({ user: unknown })
      assert.equal(refused.state, "refused")
      assert.match((refused as { error: string }).error, /^(unknown_user_id|invalid_request)$/)
      assert.deepEqual(await ask({ user: { ...at.user, iss: "https://id.other.example" } }), {
        state: "refused",
        error: "no-login-hint",
      })
      if (cibaProfiles[profile]!.isKnownBySub) return
      for (const login of [[], ["alice", "bob"], [""]]) {
        assert.deepEqual(await ask({ user: { ...at.user, claims: { login } } }), {
          state: "refused",
          error: "no-login-hint",
        })
      }
    })

    test("a client that it does not know is told so, and nobody is asked", async () => {
      at.instead = {
        status: 401,
        headers: { "www-authenticate": 'Basic realm="x"' },
        body: { error: "invalid_client" },
      }
      assert.deepEqual(await ask(), { state: "refused", error: "invalid_client" })
    })
  })
}

const [okta, auth0, ibm, keycloak, ping] = cibaVendors

test("what Auth0 shows of an action is one object of the type that its tenant knows", async () => {
  await using at = await startCiba(auth0!)
  const of = { provider: "shop", user: at.user, code, expirySeconds: 900 }
  assert.equal(
    (await at.ours.providers.ask({ ...of, details: { operation: "offboard", type: "other" } })).state,
    "asked",
  )
  assert.deepEqual(JSON.parse(at.last().form.get("authorization_details")!), [
    { operation: "offboard", type: "hr_action" },
  ])
  assert.equal(at.last().form.get("requested_expiry"), "300")
})

test("where acr and auth_time are demanded, missing is not met", async () => {
  const wanted = [{ acr: undefined }, { acr: "1" }, { auth_time: undefined }, { auth_time: seconds() - 600 }]
  for (const claims of wanted) {
    await using at = await startCiba(ibm!)
    const { iss, sub } = at.user
    const asking = await at.ours.providers.ask({ provider: "shop", user: at.user, code, expirySeconds: 60 })
    assert.ok(asking.state === "asked")
    at.last().state = "approved"
    at.alter = changed(claims)
    const pending = {
      provider: "shop",
      issuer: iss,
      authReqId: asking.authReqId,
      user: { iss, sub },
      askedAtMs: Date.now(),
    }
    assert.deepEqual(
      await at.ours.providers.poll(pending),
      { state: "failed", error: "id-token-invalid" },
      JSON.stringify(claims),
    )
  }
})

test("a signed request has every parameter inside, and is for that provider alone, for a minute", async () => {
  await using at = await startCiba(
    { ...ping!, judge: (form) => (form.has("request") ? null : "invalid_request") },
    {
      ciba: { signedRequests: true },
    },
  )
  const asking = await at.ours.providers.ask({ provider: "shop", user: at.user, code, expirySeconds: 60 })
  assert.equal(asking.state, "asked")
  const { form } = at.last()
  assert.deepEqual(
    [...form.keys()].sort(),
    ["client_assertion", "client_assertion_type", "client_id", "request"].filter((each) => form.has(each)),
  )
  const payload = JSON.parse(Buffer.from(form.get("request")!.split(".")[1]!, "base64url").toString())
  assert.equal(payload.iss, "safeconduct")
  assert.equal(payload.aud, at.started.issuer)
  assert.equal(payload.exp - payload.nbf, 60)
  assert.equal(payload.login_hint, at.user.sub)
  assert.match(payload.jti, /^request_/)
})

test("what was asked at one provider is not looked for at another that took its name", async () => {
  await using at = await startCiba(okta!)
  const { iss, sub } = at.user
  const pending = {
    provider: "shop",
    issuer: "https://id.other.example",
    authReqId: new Secret("a"),
    user: { iss, sub },
  }
  assert.deepEqual(await at.ours.providers.poll({ ...pending, askedAtMs: Date.now() }), {
    state: "failed",
    error: "another-provider",
  })
  assert.equal(at.askings.size, 0)
})

test("a provider that is not configured to ask is not asked", async () => {
  await using at = await startCiba(keycloak!, { ciba: undefined })
  assert.equal(at.ours.providers.canAsk("shop"), false)
  await assert.rejects(at.ours.providers.ask({ provider: "shop", user: at.user, code, expirySeconds: 60 }), {
    code: "provider-not-configured",
  })
})
