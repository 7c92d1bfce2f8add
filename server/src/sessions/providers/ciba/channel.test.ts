import assert from "node:assert/strict"
import { after, before, beforeEach, test } from "node:test"
import type { JWTPayload } from "jose"
import { Secret } from "#kernel"
import { type StartedCiba, startCiba } from "../fakes/ciba.fixture.ts"
import { cibaVendors } from "../fakes/ciba-vendors.fixture.ts"
import { type Answer, type Asked, newKey, seconds } from "../provider.fixture.ts"

const keycloak = cibaVendors.find(({ vendor }) => vendor.profile === "keycloak")!
const callback = "/realms/shop/protocol/openid-connect/ext/ciba/auth/callback"

let at: StartedCiba
let answer: Answer
let told: Asked[]

before(async () => {
  at = await startCiba(keycloak, { ciba: { hintClaim: "login", channel: {} } })
  at.started.fake.answers.set(callback, (asked) => {
    told.push(asked)
    return answer
  })
})
after(() => at[Symbol.asyncDispose]())
beforeEach(() => {
  answer = { status: 200, body: {} }
  told = []
})

/** As HttpAuthenticationChannelProvider makes it. */
const claims = (more: JWTPayload = {}): JWTPayload => {
  const { issuer } = at.started
  const of = { typ: "Bearer", iss: issuer, aud: issuer, azp: "safeconduct", jti: "a-result", sub: at.user.sub }
  return { ...of, exp: seconds() + 120, ...more }
}
const verify = async (bearer: string, provider = "shop") =>
  await at.ours.providers.verifyChannel({ provider, bearer: new Secret(bearer), bindingMessage: "KRWD-XQTB" })

test("a bearer of the provider's channel says about whom it is", async () => {
  assert.equal((await verify(await at.started.fake.sign(claims()))).subject, at.user.sub)
})

test("what is none is refused", async () => {
  const { fake, issuer } = at.started
  const wrong: { [claim: string]: unknown }[] = [
    { iss: "https://id.other.example" },
    { aud: "safeconduct" },
    { aud: [issuer, "account"] },
    { azp: "another" },
    { azp: undefined },
    { typ: "ID" },
    { typ: "Refresh" },
    { sub: undefined },
    { exp: seconds() - 600 },
    { exp: undefined },
    { iat: seconds() + 600 },
  ]
  for (const each of wrong) {
    const bearer = await fake.sign(JSON.parse(JSON.stringify({ ...claims(), ...each })))
    await assert.rejects(verify(bearer), { code: "token-invalid" }, JSON.stringify(each))
  }
  const stranger = await newKey(fake.key.kid, "RS256")
  await assert.rejects(verify(await fake.sign(claims(), {}, stranger)), { code: "token-invalid" })
  await assert.rejects(verify("no token"), { code: "token-invalid" })
  await assert.rejects(verify(await fake.sign(claims()), "other"), { code: "provider-unknown" })
})

test("the provider is told by its own bearer, once more where it was not there", async () => {
  const bearer = new Secret("the-bearer")
  await at.ours.providers.answerChannel("shop", bearer, "SUCCEED")
  assert.equal(told[0]!.headers.get("authorization"), "Bearer the-bearer")
  assert.equal([...told[0]!.form.keys()][0], '{"status":"SUCCEED"}')
  for (const failing of [{ status: 500 }, { status: 400, body: { error: "invalid_request" } }, { status: 302 }]) {
    answer = failing
    await assert.rejects(at.ours.providers.answerChannel("shop", bearer, "UNAUTHORIZED"), {
      code: "provider-unavailable",
    })
  }
  // It has an answer, or asks nobody any more: the next poll says which.
  answer = { status: 403, body: { error: "invalid_token" } }
  await at.ours.providers.answerChannel("shop", bearer, "CANCELLED")
})

test("a provider that is not configured to have us ask is not heard", async () => {
  await using other = await startCiba(keycloak)
  const bearer = new Secret(await other.started.fake.sign(claims()))
  const of = { provider: "shop", bearer, bindingMessage: "KRWD-XQTB" }
  await assert.rejects(other.ours.providers.verifyChannel(of), { code: "provider-not-configured" })
  await assert.rejects(other.ours.providers.answerChannel("shop", bearer, "SUCCEED"), {
    code: "provider-not-configured",
  })
})
