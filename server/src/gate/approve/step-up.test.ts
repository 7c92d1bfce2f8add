import assert from "node:assert/strict"
import { after, before, beforeEach, test } from "node:test"
import { base64url, Refusal, random } from "#kernel"
import type { SignedInBrowser, SteppingUp } from "#sessions"
import type { Visit } from "../consent/visit.ts"
import { beginStepUp, comeBackFromStepUp } from "./step-up.ts"
import { asking, openTestAsking, type TestAsking } from "./ways.fixture.ts"

let hr: TestAsking
before(async () => {
  hr = await openTestAsking({ approvals: { ...asking.approvals, proofs: { sign: ["step-up"] } } })
})
after(() => hr[Symbol.asyncDispose]())
beforeEach(() => {
  hr.next.stepUp = async () => hr.proof()
})

const newVisit = (): Visit => ({
  issuer: new URL("https://safeconduct.example"),
  headers: new Headers(),
  cookies: { browser: null, signedIn: null, after: null, language: null } as never,
  browser: base64url(random(32)),
  setCookies: [],
})
const known = (): SignedInBrowser => ({ user: hr.at.alice, providerSession: null, ageSeconds: 3_600 })
const stateOf = async (id: string) => (await hr.rooms.approvals.find(id))!.state

/** Sends Alice away; the state that she comes back with. */
async function away(visit: Visit) {
  const { approval } = await hr.held()
  const url = await beginStepUp(hr.rooms, visit, known(), { ids: [approval.id], locale: "de" })
  return { approval, state: new URL(url).searchParams.get("state")! }
}
const back = (visit: Visit, state: string, provider = "hr") =>
  comeBackFromStepUp(hr.rooms, visit, provider, { state, code: "c" })

test("who comes back approves what they went for, with their provider's word over exactly that", async () => {
  const visit = newVisit()
  const { approval, state } = await away(visit)
  let finished: SteppingUp | undefined
  hr.next.stepUp = async (of) => {
    finished = of
    return hr.proof()
  }
  const answer = await back(visit, state)
  assert.match(answer!.headers.get("location")!, new RegExp(`/approvals/${approval.id}$`))
  assert.equal(await stateOf(approval.id), "approved")
  const { iss, sub } = finished!.user
  assert.deepEqual([iss, sub], ["https://id.example", "alice"])
  assert.equal(base64url(finished!.challenge), finished!.pending.nonce)
  const found = await hr.rooms.approvals.find(approval.id)
  assert.deepEqual(
    found!.decisions.map(({ approver, way }) => [approver, way]),
    [[hr.at.alice.id, "step-up"]],
  )
})

test("of many that come back with one state, at two servers, one is heard", async () => {
  await using other = await hr.at.gate.another()
  const visit = newVisit()
  const { approval, state } = await away(visit)
  let heard = 0
  hr.next.stepUp = async () => {
    heard += 1
    return hr.proof()
  }
  const servers = [hr.rooms, { ...hr.rooms, approvals: other.rooms.approvals, audit: other.rooms.audit }]
  const answers = await Promise.all(
    Array.from({ length: 8 }, (_, nth) => comeBackFromStepUp(servers[nth % 2]!, visit, "hr", { state, code: "c" })),
  )
  assert.deepEqual([answers.filter((answer) => answer !== null).length, heard], [1, 1])
  assert.equal(await stateOf(approval.id), "approved")
})

test("nothing is decided by being sent, nor by a proof that fails", async () => {
  const visit = newVisit()
  const { approval, state } = await away(visit)
  assert.equal(await stateOf(approval.id), "requested")
  hr.next.stepUp = async () => {
    throw new Refusal("sign-in-failed", "You did not prove anew who you are.")
  }
  await assert.rejects(back(visit, state), { code: "sign-in-failed" })
  assert.equal(await stateOf(approval.id), "requested")
})

test("an answer is good once, and only in the browser and for the provider that it was begun with", async () => {
  const visit = newVisit()
  const { approval, state } = await away(visit)
  assert.equal(await back(newVisit(), state), null)
  assert.equal(await back(visit, state, "other"), null)
  assert.equal(await back(visit, "another state"), null)
  assert.equal(await stateOf(approval.id), "requested")
  assert.notEqual(await back(visit, state), null)
  assert.equal(await back(visit, state), null)
})

test("what would be signed otherwise by now is not approved by what was signed", async () => {
  const visit = newVisit()
  const { approval, state } = await away(visit)
  await hr.at.gate.store.owner.query("update approvals.requests set purpose = 'another' where id = $1", [approval.id])
  await assert.rejects(back(visit, state), { code: "sign-in-failed" })
  assert.equal(await stateOf(approval.id), "requested")
})

test("a request that ended meanwhile is over, and somebody else's is unknown", async () => {
  const visit = newVisit()
  const { approval, state } = await away(visit)
  await hr.at.decide(approval.id, hr.at.alice, "deny", "session")
  await assert.rejects(back(visit, state), { code: "approval-over" })
  const { approval: other } = await hr.held()
  const bob = { ...known(), user: await hr.at.person("bob") }
  await assert.rejects(beginStepUp(hr.rooms, visit, bob, { ids: [other.id], locale: "en" }), {
    code: "approval-unknown",
  })
})

test("where a fresh sign-in does not count, it approves nothing", async () => {
  await using strict = await openTestAsking({ approvals: { ...asking.approvals, proofs: { sign: ["passkey"] } } })
  const { approval } = await strict.held()
  const visit = newVisit()
  const at = { user: strict.at.alice, providerSession: null, ageSeconds: 5 }
  await assert.rejects(beginStepUp(strict.rooms, visit, at, { ids: [approval.id], locale: "en" }), {
    code: "proof-insufficient",
  })
  assert.equal((await strict.rooms.approvals.find(approval.id))!.state, "requested")
})
