import assert from "node:assert/strict"
import { after, before, beforeEach, test } from "node:test"
import { type Approval, checkCode, type Proven } from "#approvals"
import { Refusal, Secret } from "#kernel"
import { aRaise } from "./approve.fixture.ts"
import { proofThere, takeChannel } from "./channel.ts"
import { approve, challengeFor, deny } from "./decide.ts"
import { shownThere } from "./there.ts"
import { asking, openTestAsking, type TestAsking, until } from "./ways.fixture.ts"

const ofKeycloak = (proof: "session" | "passkey") => ({
  providers: {
    hr: {
      issuer: "https://id.example",
      profile: "keycloak",
      clientId: "safeconduct",
      claims: { login: "preferred_username" },
      ciba: { hintClaim: "login", channel: { proof } },
    },
  },
  approvals: { ...asking.approvals, proofs: { sign: ["provider"] } },
})

let hr: TestAsking
let worker: AsyncDisposable
const bearer = new Secret("the-bearer")

before(async () => {
  hr = await openTestAsking(ofKeycloak("session"))
  worker = hr.start()
})
after(async () => {
  await worker[Symbol.asyncDispose]()
  await hr[Symbol.asyncDispose]()
})
beforeEach(() => {
  hr.next.verify = async () => ({ subject: "alice", expiresAtMs: Date.now() + 60_000 })
  hr.next.poll = async () => ({ state: "pending", isTooFast: false, retryAfterSeconds: null })
  hr.next.tell = async () => undefined
  hr.told.length = 0
})

const ofAlice = async (id: string, at = hr) => await at.rooms.approvals.ways.of(id, at.at.alice.id)
const codeOf = ({ action }: Approval) => checkCode(action!.digest)
const take = async (approval: Approval, at = hr) =>
  await takeChannel(at.rooms, "hr", { bearer, bindingMessage: codeOf(approval) })
const asked = async (at = hr) => {
  const held = await at.held()
  await until(async () => (await ofAlice(held.approval.id, at))?.state === "asked")
  return held
}
const approveBy = async ({ id }: Approval, way: Proven["way"], at = hr) => {
  const signed = await challengeFor(at.rooms, at.at.alice, { ids: [id], shown: shownThere })
  return await approve(at.rooms, at.at.alice, signed, { way, evidence: { test: true } })
}

test("a code that two requests of one person share stands for neither", async () => {
  const [one, other] = [await asked(), await asked()]
  const code = codeOf(one.approval)
  await hr.at.gate.store.owner.query("update approvals.provider_requests set check_code = $1 where request = $2", [
    code,
    other.approval.id,
  ])
  await assert.rejects(take(one.approval), { code: "approval-unknown" })
  for (const { approval } of [one, other]) assert.equal((await ofAlice(approval.id))!.channel, null)
  await deny(hr.rooms, hr.at.alice, { ids: [other.approval.id], decision: "deny" })
})

test("what the person says on our page goes to the provider, whose signed word then approves", async () => {
  const { session, approval } = await asked()
  await take(approval)
  const [still] = await approveBy(approval, "session")
  assert.equal(still!.state, "requested")
  await until(() => hr.told.length === 1)
  assert.deepEqual(hr.told, [["the-bearer", "SUCCEED"]])
  assert.equal((await hr.at.raise(session, aRaise, { approval: approval.id })).decision.verdict, "ask")
  hr.next.poll = async () => ({ state: "approved", proof: hr.proof() })
  await until(async () => (await hr.rooms.approvals.find(approval.id))!.state === "approved")
  const [entry] = (await hr.at.gate.entries("approvals.provider-answered")).slice(-1)
  assert.equal(entry!.data!["way"], "session")
  assert.equal((await hr.at.raise(session, aRaise, { approval: approval.id })).decision.verdict, "allow")
})

test("a provider that asks for what we did not ask for, or of somebody else, is told that there is no such thing", async () => {
  const { approval } = await asked()
  const unknown = { code: "approval-unknown" }
  await assert.rejects(takeChannel(hr.rooms, "hr", { bearer, bindingMessage: "ZZZ-ZZZ" }), unknown)
  hr.next.verify = async () => ({ subject: "mallory", expiresAtMs: Date.now() + 60_000 })
  await assert.rejects(take(approval), unknown)
  hr.next.verify = async () => {
    throw new Refusal("token-invalid", "No bearer of that provider.")
  }
  await assert.rejects(take(approval), { code: "token-invalid" })
  assert.equal((await ofAlice(approval.id))!.channel, null)
  // Without its bearer the person's being signed in approves nothing.
  await assert.rejects(approveBy(approval, "session"), { code: "proof-insufficient" })
  hr.next.verify = async () => ({ subject: "alice", expiresAtMs: Date.now() + 60_000 })
  await hr.at.decide(approval.id, hr.at.alice, "deny", "session")
  await until(async () => (await ofAlice(approval.id))?.state === "over")
  await assert.rejects(take(approval), unknown)
})

test("a no on our page is a no, and the provider hears of it", async () => {
  const { approval } = await asked()
  await take(approval)
  await deny(hr.rooms, hr.at.alice, { ids: [approval.id], decision: "deny" })
  await until(() => hr.told.length === 1)
  assert.deepEqual(hr.told, [["the-bearer", "UNAUTHORIZED"]])
})

test("a request that is withdrawn is cancelled there", async () => {
  const { approval } = await asked()
  await take(approval)
  await hr.rooms.audit.commit(hr.rooms.approvals.withdraw({ ids: [approval.id] }, "test", "server"))
  await until(() => hr.told.length === 1)
  assert.deepEqual(hr.told, [["the-bearer", "CANCELLED"]])
})

test("a provider that could not be told is told again, and a yes is said once", async () => {
  const { approval } = await asked()
  await take(approval)
  hr.next.tell = async () => {
    throw new Refusal("provider-unavailable", "Not there.")
  }
  await approveBy(approval, "session")
  await until(() => hr.told.length === 1)
  await approveBy(approval, "session")
  hr.next.tell = async () => undefined
  await until(() => hr.told.length === 2)
  const said = (await hr.at.gate.entries("approvals.provider-answered")).filter(
    ({ data }) => data!["approval"] === approval.id,
  )
  assert.equal(said.length, 1)
})

test("where the provider is told only what was signed, being signed in is not enough", async () => {
  await using strict = await openTestAsking(ofKeycloak("passkey"))
  await using _ = strict.start()
  const { approval } = await asked(strict)
  await take(approval, strict)
  await assert.rejects(approveBy(approval, "session", strict), { code: "proof-insufficient" })
  await assert.rejects(approveBy(approval, "step-up", strict), { code: "proof-insufficient" })
  assert.equal(strict.told.length, 0)
  assert.equal((await ofAlice(approval.id, strict))!.channel!.decision, null)
})

test("the page knows what is to be proven here, as soon as the provider is asked and while it is", async () => {
  const { approval } = await asked()
  const ids = [approval.id]
  assert.equal(await proofThere(hr.rooms, hr.at.alice.id, ids), "session")
  assert.equal(await proofThere(hr.rooms, hr.at.alice.id, [approval.id, "approval_unknown"]), null)
  assert.equal(await proofThere(hr.rooms, (await hr.at.person("bob")).id, ids), null)
  await deny(hr.rooms, hr.at.alice, { ids, decision: "deny" })
  await until(async () => (await ofAlice(approval.id))?.state === "over")
  assert.equal(await proofThere(hr.rooms, hr.at.alice.id, ids), null)
})
