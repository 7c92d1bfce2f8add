import assert from "node:assert/strict"
import { after, before, beforeEach, describe, test } from "node:test"
import { checkCode } from "#approvals"
import { Refusal, Secret } from "#kernel"
import { aRaise } from "./approve.fixture.ts"
import { challengeFor } from "./decide.ts"
import { shownThere } from "./there.ts"
import { asking, openTestAsking, type TestAsking, until } from "./ways.fixture.ts"

let hr: TestAsking
const defaults = {
  ask: async () =>
    ({ state: "asked", authReqId: new Secret("an-id"), expiresInSeconds: 60, intervalSeconds: 1 }) as const,
  poll: async () => ({ state: "pending", isTooFast: false, retryAfterSeconds: null }) as const,
  tell: async () => undefined,
}

before(async () => {
  hr = await openTestAsking()
})
after(() => hr[Symbol.asyncDispose]())
beforeEach(() => {
  Object.assign(hr.next, defaults)
  for (const list of [hr.asked, hr.polls, hr.told]) list.length = 0
})

const stateOf = async (id: string) => (await hr.rooms.approvals.find(id))!.state
const ofAlice = async (id: string) => await hr.rooms.approvals.ways.of(id, hr.at.alice.id)
const entriesOf = async (id: string) =>
  (await hr.at.gate.entries()).filter(({ data }) => data?.["approval"] === id).map(({ event }) => event)

describe("a request whose rung counts the provider's word", () => {
  test("is asked there, and the provider's yes approves it, once; the action then happens", async () => {
    const { session, approval } = await hr.held()
    await using _ = hr.start()
    await until(async () => (await ofAlice(approval.id))?.state === "asked")
    assert.equal((await hr.at.raise(session, aRaise, { approval: approval.id })).decision.verdict, "ask")
    hr.next.poll = async () => ({ state: "approved", proof: hr.proof() })
    await until(async () => (await stateOf(approval.id)) === "approved")
    const [request] = hr.asked
    assert.equal(hr.asked.length, 1)
    assert.deepEqual(request!.user, { iss: "https://id.example", sub: "alice", claims: {} })
    assert.deepEqual(request!.details?.["arguments"], aRaise)
    await until(async () => (await ofAlice(approval.id))?.state === "approved")
    const found = await hr.rooms.approvals.find(approval.id)
    assert.deepEqual(
      found!.decisions.map(({ approver, way, decision }) => ({ approver, way, decision })),
      [{ approver: hr.at.alice.id, way: "provider", decision: "approve" }],
    )
    const done = await hr.at.raise(session, aRaise, { approval: approval.id })
    assert.equal(done.decision.verdict, "allow")
    assert.deepEqual(await entriesOf(approval.id), [
      "gate.action-held",
      "approvals.requested",
      "approvals.provider-asked",
      "gate.action-held",
      "approvals.approved",
      "gate.action-begun",
    ])
  })

  test("shows there the code of exactly what is signed, and says so in the record", async () => {
    const { approval } = await hr.held()
    await using _ = hr.start()
    await until(async () => (await ofAlice(approval.id))?.state === "asked")
    const { id, provider, sub } = hr.at.alice
    const signed = await challengeFor(hr.rooms, { id, provider, sub }, { ids: [approval.id], shown: shownThere })
    const code = checkCode(signed.statements[0]!.action.digest)
    assert.equal(hr.asked[0]!.code, code)
    assert.deepEqual((await ofAlice(approval.id))!.challenge, signed.challenge)
    const entries = await hr.at.gate.entries("approvals.provider-asked")
    assert.equal(entries.at(-1)!.data!["code"], code)
    assert.equal(JSON.stringify(entries).includes("alice"), false)
  })

  test("a no there denies it", async () => {
    const { session, approval } = await hr.held()
    hr.next.poll = async () => ({ state: "denied" })
    await using _ = hr.start()
    await until(async () => (await stateOf(approval.id)) === "denied")
    const { decision } = await hr.at.raise(session, aRaise, { approval: approval.id })
    assert.deepEqual([decision.verdict, decision.reasons], ["deny", ["Approval was denied."]])
  })

  for (const [what, polled] of [
    ["does not answer in time", { state: "expired" }],
    ["says something that cannot be believed", { state: "failed", error: "id-token-invalid" }],
  ] as const) {
    test(`where the provider ${what}, it goes on waiting for the person in other ways`, async () => {
      const { approval } = await hr.held()
      hr.next.poll = async () => polled
      await using _ = hr.start()
      await until(async () => (await ofAlice(approval.id))?.state === polled.state)
      assert.equal(await stateOf(approval.id), "requested")
      assert.equal((await entriesOf(approval.id)).at(-1), "approvals.provider-failed")
      await hr.at.decide(approval.id, hr.at.alice)
      assert.equal(await stateOf(approval.id), "approved")
    })
  }

  test("who could not be asked there is not asked again, and the reason is recorded", async () => {
    const { approval } = await hr.held()
    hr.next.ask = async () => ({ state: "refused", error: "unknown_user_id" })
    await using _ = hr.start()
    await until(async () => (await ofAlice(approval.id))?.state === "failed")
    assert.equal(hr.asked.length, 1)
    const [entry] = (await hr.at.gate.entries("approvals.provider-failed")).slice(-1)
    assert.equal(entry!.data!["error"], "unknown_user_id")
  })

  test("an approval elsewhere closes this one: the provider's late yes changes nothing", async () => {
    const { approval } = await hr.held()
    await using _ = hr.start()
    await until(async () => (await ofAlice(approval.id))?.state === "asked")
    await hr.at.decide(approval.id, hr.at.alice, "deny", "session")
    hr.next.poll = async () => ({ state: "approved", proof: hr.proof() })
    await until(async () => (await ofAlice(approval.id))?.state === "over")
    assert.equal(await stateOf(approval.id), "denied")
  })

  test("a yes to what would be signed otherwise by now approves nothing", async () => {
    const { approval } = await hr.held()
    await using _ = hr.start()
    await until(async () => (await ofAlice(approval.id))?.state === "asked")
    await hr.at.gate.store.owner.query("update approvals.requests set purpose = 'another' where id = $1", [approval.id])
    hr.next.poll = async () => ({ state: "approved", proof: hr.proof() })
    await until(async () => (await ofAlice(approval.id))?.state === "failed")
    assert.equal((await ofAlice(approval.id))?.error, "changed")
    assert.equal(await stateOf(approval.id), "requested")
  })

  test("a server that falls is followed by another, which asks again where it must and fetches the answer", async () => {
    const { approval } = await hr.held()
    // It falls while it asks: what the provider answers never comes back.
    hr.next.ask = () => Promise.reject(new Error("this server is gone"))
    {
      await using _ = hr.start()
      await until(() => hr.asked.length === 1)
    }
    assert.equal((await ofAlice(approval.id))?.state, "asking")
    await hr.at.gate.store.owner.query(
      "update approvals.provider_requests set claimed_until = clock_timestamp() - interval '1 second' where request = $1",
      [approval.id],
    )
    Object.assign(hr.next, defaults)
    {
      await using _ = hr.start()
      await until(async () => (await ofAlice(approval.id))?.state === "asked")
    }
    assert.equal(hr.asked.length, 2)
    hr.next.poll = async ({ authReqId }) => {
      assert.equal(authReqId.reveal(), "an-id")
      return { state: "approved", proof: hr.proof() }
    }
    await using other = await hr.at.gate.another()
    await using _ = hr.start(other.rooms)
    await until(async () => (await stateOf(approval.id)) === "approved")
  })

  test("a provider that cannot be reached is tried three times, and then left", async () => {
    const { approval } = await hr.held()
    hr.next.ask = () => Promise.reject(new Refusal("provider-unavailable", "Not there."))
    await using _ = hr.start()
    for (let attempt = 1; attempt <= 3; attempt += 1) {
      await until(() => hr.asked.length === attempt)
      await until(async () => {
        const hastened = await hr.at.gate.store.owner.query(
          "update approvals.provider_requests set next_at = clock_timestamp() where request = $1 and claimed_until is null returning id",
          [approval.id],
        )
        return hastened.length === 1
      })
    }
    await until(async () => (await ofAlice(approval.id))?.state === "failed")
    assert.equal((await ofAlice(approval.id))?.error, "unavailable")
    assert.equal(hr.asked.length, 3)
  })

  test("two servers ask a person once, and poll in turns", async () => {
    const { approval } = await hr.held()
    await using other = await hr.at.gate.another()
    await using _ = hr.start()
    await using __ = hr.start(other.rooms)
    await until(async () => (await ofAlice(approval.id))?.state === "asked")
    await until(() => hr.polls.length >= 2)
    assert.equal(hr.asked.length, 1)
  })
})

test("nobody is asked at a provider where its word does not count, or that is not configured to ask", async () => {
  for (const more of [
    { approvals: { ...asking.approvals, proofs: { sign: ["passkey"] } } },
    { providers: { hr: { issuer: "https://id.example", clientId: "safeconduct" } } },
  ]) {
    await using other = await openTestAsking(more)
    const { approval } = await other.held()
    const { approvals } = other.at.rooms
    let looks = 0
    const claim: typeof approvals.ways.claim = async (limit) => {
      looks += 1
      return await approvals.ways.claim(limit)
    }
    {
      await using _ = other.start({
        ...other.at.rooms,
        approvals: { ...approvals, ways: { ...approvals.ways, claim } },
      })
      await until(() => looks >= 2)
    }
    assert.equal(other.asked.length, 0)
    assert.equal(await approvals.ways.of(approval.id, other.at.alice.id), null)
  }
})
