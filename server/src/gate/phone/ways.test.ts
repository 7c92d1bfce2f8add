import assert from "node:assert/strict"
import { randomBytes } from "node:crypto"
import { after, afterEach, before, test } from "node:test"
import { base64url } from "#kernel"
import type { PendingSignIn, ProviderProof, StepUpRequest } from "#sessions"
import { approving } from "../approve/approve.fixture.ts"
import { fieldsOf, issuer } from "../consent/fixture.ts"
import { openTestPhone, type TestPhone } from "./phone.fixture.ts"

let phone: TestPhone
before(async () => {
  phone = await openTestPhone()
  // The provider of these tests signs over whatever it is asked to, for whoever comes.
  Object.assign(phone.at.rooms.sessions.providers, {
    async beginStepUp({ provider, redirectUri, challenge }: StepUpRequest) {
      const state = base64url(randomBytes(32))
      const rest = { issuer: "i", verifier: "v", acrValues: [], maxAgeSeconds: 0, begunAtMs: Date.now() }
      const pending: PendingSignIn = { provider, redirectUri, state, nonce: base64url(challenge), ...rest }
      return { url: `https://id.example/authorize?state=${state}`, pending }
    },
    async finishStepUp(): Promise<ProviderProof> {
      const of = {
        provider: "hr",
        issuer: "i",
        clientId: "c",
        subjectClaim: "sub",
        subject: "s",
        algorithm: "ES256",
      } as const
      return { ...of, idToken: "a.b.c", key: {}, acr: null, authTimeMs: null, issuedAtMs: 0, amr: [], payload: {} }
    },
  })
})
after(() => phone[Symbol.asyncDispose]())

const take = async (sign: string[]) => {
  const { pacing } = approving.approvals
  await phone.configure({ approvals: { pacing, proofs: { sign } } })
}
afterEach(() => take(["passkey"]))

test("where a fresh sign-in counts, the page leads there, and approves what its provider signed", async () => {
  await take(["step-up"])
  const alice = await phone.person({ hasPasskey: false })
  const held = await phone.ask(alice.user)
  const path = `/approvals/${held.id}`
  const { text } = await alice.browser.get(path)
  assert.match(text, /<button [^>]*value="step-up">Sign in anew to approve/)
  assert.doesNotMatch(text, /value="approve">/)
  const { decision: _, ...fields } = fieldsOf(text)
  const sent = await alice.browser.post(`${path}/decision`, { ...fields, decision: "step-up" })
  // A browser follows no redirect from a form to another site (CSP, form-action 'self').
  assert.deepEqual([sent.status, sent.location], [200, null])
  assert.match(sent.headers.get("content-security-policy")!, /form-action 'self'/)
  const [, place] = /http-equiv="refresh" content="0; url=([^"]*)"/.exec(sent.text)!
  const state = new URL(place!.replaceAll("&amp;", "&")).searchParams.get("state")
  assert.equal(await phone.stateOf(held), "requested")
  const back = await alice.browser.get(`/sign-in/${alice.user.provider}/callback?state=${state}&code=c`)
  assert.equal(back.location, `${issuer}${path}`)
  assert.equal(await phone.stateOf(held), "approved")
})

test("whoever has a passkey that counts is asked for that, and not sent away", async () => {
  await take(["passkey", "step-up"])
  const alice = await phone.person()
  const { text } = await alice.browser.get(`/approvals/${(await phone.ask(alice.user)).id}`)
  assert.match(text, /data-sign/)
  assert.doesNotMatch(text, /value="step-up"/)
})

test("where the provider alone asks, the page says so, and takes a no", async () => {
  await take(["provider"])
  const alice = await phone.person()
  const held = await phone.ask(alice.user)
  const path = `/approvals/${held.id}`
  const { text } = await alice.browser.get(path)
  assert.match(text, /Your provider asks you/)
  assert.doesNotMatch(text, /value="approve">|value="step-up"/)
  const { decision: _, ...fields } = fieldsOf(text)
  const approving = alice.browser.post(`${path}/decision`, { ...fields, decision: "approve" })
  await assert.rejects(approving, { code: "proof-insufficient" })
  await alice.browser.post(`${path}/decision`, { ...fields, decision: "deny" })
  assert.equal(await phone.stateOf(held), "denied")
})
