import assert from "node:assert/strict"
import { after, before, test } from "node:test"
import { refusalCode } from "#kernel"
import { narrower } from "#sessions"
import { callback, client, fieldsOf, issuer, openTestConsent, type TestConsent } from "./fixture.ts"
import { redeemCode } from "./redeem.ts"

let at: TestConsent
before(async () => {
  at = await openTestConsent()
})
after(() => at[Symbol.asyncDispose]())

const refusedWith = (code: string) => (error: unknown) => refusalCode(error) === code
/** A user of a test's own, so that nothing is remembered of another test. */
const somebody = () => {
  const sub = `user-${crypto.randomUUID()}`
  at.next.person = { sub, sid: `sid-${sub}` }
  return sub
}
const redeem = (code: string, caller = at.bot) => redeemCode(at.rooms, caller, { code, code_verifier: at.verifier })

test("a user who allows what was pushed sends the agent a code, and the agent a session in the user's name", async () => {
  const sub = somebody()
  const browser = at.browser()
  const page = await at.toConsent(browser, await at.push())
  for (const shown of ["bot", client, "owner@example.org", "Answer questions about your orders", "Read in kb"]) {
    assert.ok(page.text.toLowerCase().includes(shown.toLowerCase()), shown)
  }
  const back = await at.allow(browser, page)
  assert.equal(back.origin + back.pathname, callback)
  assert.equal(back.searchParams.get("state"), "xyz")
  assert.equal(back.searchParams.get("iss"), issuer)
  const { session, token } = await redeem(back.searchParams.get("code")!)
  assert.equal(session.user?.sub, sub)
  assert.equal(session.purpose, "help")
  assert.equal(session.delegation?.kind, "consent")
  assert.ok(token.accessToken)
  const [given] = (await at.gate.entries("sessions.consent-given")).slice(-1)
  assert.equal(given!.user, session.user!.id)
  const recorded = given!.data as { consent: string; textDigest: string }
  assert.deepEqual({ kind: "consent", consent: recorded.consent, textDigest: recorded.textDigest }, session.delegation)
})
