import assert from "node:assert/strict"
import { after, before as beforeAll, describe, test } from "node:test"
import type { AgentPrincipal } from "#agents"
import type { ActionDetail } from "#sessions"
import { admit } from "./admit.ts"
import { chained, openTestChain, reading, type TestChain, work } from "./chain.fixture.ts"
import { takeUp } from "./delegate.ts"
import { before } from "./fixture.ts"
import { renewLease } from "./lease.ts"
import type { Rooms } from "./rooms.ts"

/** Untrusted content seen, then nothing leaves; and nothing that is labelled is read twice. */
const policies = [
  {
    file: "labels.cedar",
    text: `@id("all") permit (principal, action, resource);
      @id("no-leak") forbid (principal, action == policy::Action::"tool", resource) when { context.labels.contains("untrusted") };
      @id("once") forbid (principal, action == policy::Action::"credential", resource) when { context.labels.contains("untrusted") };`,
  },
]

describe("labels", () => {
  let chain: TestChain
  let other: Rooms
  beforeAll(async () => {
    chain = await openTestChain()
    other = (await chain.gate.another()).rooms
    await chain.apply({
      policies,
      resources: { kb: { engine: "fake", operations: { read: { labels: ["untrusted"] }, write: {} } } },
    })
    await other.epoch.refresh()
  })
  after(() => chain?.[Symbol.asyncDispose]())

  const verdict = async (
    rooms: Rooms,
    session: string,
    operation: "read" | "ask",
    caller: AgentPrincipal = chain.bot,
  ) => {
    const type = operation === "read" ? "credential" : "tool"
    const action = { type, operation, resource: "kb", arguments: {} } as const
    const { decision } = await admit(rooms, caller, { session, action, idempotencyKey: null })
    return decision.verdict
  }

  test("what a session has seen counts for its next decision on any server, and not for the one that shows it", async () => {
    const { id } = await chain.root()
    // Both servers hold the session, unlabelled.
    assert.equal(await verdict(other, id, "ask"), "allow")
    assert.equal(await verdict(chain.rooms, id, "read"), "allow")
    assert.equal(await verdict(other, id, "ask"), "deny")
    assert.equal(await verdict(chain.rooms, id, "ask"), "deny")
    assert.equal(await verdict(other, id, "read"), "deny")
    const { entries } = await chain.rooms.audit.entries({ session: id, event: "sessions.labelled" })
    assert.deepEqual(
      entries.map(({ leaf }) => leaf.data),
      [{ labels: ["untrusted"] }],
    )
    const { entries: denied } = await chain.rooms.audit.entries({ session: id, event: "gate.action-denied" })
    assert.deepEqual(denied[0]?.leaf.data?.["facts"], { labels: ["untrusted"] })
  })

  test("a decision that was made before a label and committed after it is thrown away", async () => {
    const { id } = await chain.root()
    const late = before(other, async (commit) => {
      if (commit === 1) assert.equal(await verdict(chain.rooms, id, "read"), "allow")
    })
    assert.equal(await verdict(late, id, "ask"), "deny")
    const { entries } = await chain.rooms.audit.entries({ session: id, event: "gate.action-discarded" })
    assert.equal(entries.length, 1)
  })

  test("of two that show the same at once, the second is judged by what the first has shown", async () => {
    const { id } = await chain.root()
    const verdicts = await Promise.all([verdict(chain.rooms, id, "read"), verdict(other, id, "read")])
    assert.deepEqual(verdicts.sort(), ["allow", "deny"])
  })

  test("what one session of a chain has seen, all of it has: above, beneath, beside, and opened after", async () => {
    const root = await chain.root()
    const details = [{ ...work, actions: ["tool:ask", "credential:read"] }] as ActionDetail[]
    const child = await chain.beneath(root, chain.shipper, { details })
    const sibling = await chain.beneath(root, chain.carrier, { details })
    for (const [session, caller] of [
      [root, chain.bot],
      [sibling, chain.carrier],
    ] as const) {
      assert.equal(await verdict(other, session.id, "ask", caller), "allow")
    }
    assert.equal(await verdict(chain.rooms, child.id, "read", chain.shipper), "allow")
    for (const rooms of [chain.rooms, other]) {
      assert.equal(await verdict(rooms, root.id, "ask"), "deny")
      assert.equal(await verdict(rooms, child.id, "ask", chain.shipper), "deny")
      assert.equal(await verdict(rooms, sibling.id, "ask", chain.carrier), "deny")
    }
    const later = await chain.beneath(root, chain.shipper, { details })
    assert.equal(await verdict(other, later.id, "ask", chain.shipper), "deny")
    assert.equal(await verdict(other, (await chain.root()).id, "ask"), "allow")
  })

  test("a detail's own labels stick too, and whoever asks for a part without them gets it with them", async () => {
    const { answer } = chained.purposes
    const labelled = { ...work, actions: ["tool:ask"], labels: ["confidential"] }
    const purposes = {
      ...chained.purposes,
      answer: { ...answer, actions: [...answer.actions.slice(1), labelled, reading] },
    }
    const leaking = `@id("all") permit (principal, action, resource);
      @id("no-leak") forbid (principal, action, resource) when { context.labels.contains("confidential") };`
    await chain.apply({ purposes, policies: [{ file: "a.cedar", text: leaking }] })
    await other.epoch.refresh()
    const root = await chain.root()
    const details = [{ ...labelled, labels: undefined }].map(({ labels: _, ...rest }) => rest) as ActionDetail[]
    const child = await chain.beneath(root, chain.shipper, { details })
    assert.equal(await verdict(chain.rooms, child.id, "ask", chain.shipper), "allow")
    assert.equal(await verdict(other, root.id, "read"), "deny")
  })

  test("nothing is taken up once its chain has seen what forbids to hand on", async () => {
    const text = `@id("all") permit (principal, action, resource);
      @id("no-hands") forbid (principal, action == policy::Action::"delegate", resource) when { context.labels.contains("untrusted") };`
    await chain.apply({ policies: [{ file: "hands.cedar", text }] })
    const root = await chain.root()
    const delegation = await chain.offer(root, chain.shipper)
    const late = before(chain.rooms, async (commit) => {
      if (commit === 1) await other.audit.commit(other.sessions.usage.label(root.id, ["untrusted"]))
    })
    await assert.rejects(takeUp(late, chain.shipper, { delegation }), { code: "epoch-changed" })
    assert.deepEqual(
      (await chain.rooms.sessions.openOf({ agent: "shipper" })).filter(({ parent }) => parent === root.id),
      [],
    )
  })

  test("a lease that is renewed after its operation got a label labels its session", async () => {
    await chain.apply({ policies })
    await other.epoch.refresh()
    const root = await chain.root()
    const { handed } = await chain.gate.lease(root.id)
    await chain.apply({
      policies: [{ file: "labels.cedar", text: policies[0]!.text.replace(/@id\("once"\)[^;]*;/, "") }],
      resources: { kb: { engine: "fake", operations: { read: { labels: ["untrusted"] }, write: {} } } },
    })
    await other.epoch.refresh()
    assert.equal(await verdict(other, root.id, "ask"), "allow")
    await renewLease(chain.rooms, chain.bot, handed!.lease.id)
    assert.equal(await verdict(other, root.id, "ask"), "deny")
    const epoch = await other.epoch.refresh()
    await renewLease(chain.rooms, chain.bot, handed!.lease.id)
    assert.equal(await other.epoch.refresh(), epoch, "what was seen before is nothing new")
  })

  test("a server that starts afterwards knows them", async () => {
    await chain.apply({
      policies,
      resources: { kb: { engine: "fake", operations: { read: { labels: ["untrusted"] }, write: {} } } },
    })
    await other.epoch.refresh()
    const { id } = await chain.root()
    assert.equal(await verdict(chain.rooms, id, "read"), "allow")
    const third = await chain.gate.another()
    assert.equal(await verdict(third.rooms, id, "ask"), "deny")
  })
})
