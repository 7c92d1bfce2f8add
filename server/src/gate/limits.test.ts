import assert from "node:assert/strict"
import { after, before as beforeAll, describe, test } from "node:test"
import type { AgentPrincipal } from "#agents"
import { type Json, refusalCode } from "#kernel"
import type { ActionDetail } from "#sessions"
import { act, complete } from "./act.ts"
import { admit, type Permit } from "./admit.ts"
import { chained, handing, openTestChain, type TestChain } from "./chain.fixture.ts"
import { before, readKb } from "./fixture.ts"
import type { Rooms } from "./rooms.ts"

type Limits = NonNullable<ActionDetail["limits"]>

describe("limits", () => {
  let chain: TestChain
  let other: Rooms
  beforeAll(async () => {
    chain = await openTestChain()
    other = (await chain.gate.another()).rooms
  })
  after(() => chain?.[Symbol.asyncDispose]())

  /** What the bot may do in its sessions, within limits of the purpose; ceilings have none. */
  const limited = async (limits: Limits, actions: ActionDetail["actions"] = ["tool:ask", "credential:read"]) => {
    const detail = { type: "safeconduct_action", actions, locations: ["kb"], limits } as const
    const { answer } = chained.purposes
    const more = [handing("ship", "shipper"), handing("deliver", "carrier")]
    await chain.apply({ purposes: { ...chained.purposes, answer: { ...answer, actions: [detail, ...more] } } })
    await other.epoch.refresh()
  }
  const asking = (rooms: Rooms, session: string, given: { [name: string]: Json } = {}, caller?: AgentPrincipal) =>
    admit(rooms, caller ?? chain.bot, {
      session,
      action: { type: "tool", operation: "ask", resource: "kb", arguments: given },
      idempotencyKey: null,
    })
  const verdictsOf = (permits: readonly Permit[]) => permits.map(({ decision }) => decision.verdict)
  const allowed = (permits: readonly Permit[]) => verdictsOf(permits).filter((verdict) => verdict === "allow").length
  const spent = async (session: string) => {
    const rows = await chain.gate.store.owner.query<{ spent: number }>(
      "select spent::float8 as spent from sessions.counts where session = $1 order by measure, budget",
      [session],
    )
    return rows.map((row) => row.spent)
  }

  test("of many actions at once at two servers, as many are allowed as the limit says", async () => {
    await limited([{ uses: 5 }])
    const { id } = await chain.root()
    const permits = await Promise.all(Array.from({ length: 20 }, (_, nth) => asking(nth % 2 ? other : chain.rooms, id)))
    assert.equal(allowed(permits), 5)
    assert.deepEqual(await spent(id), [5])
    const denied = permits.find(({ decision }) => decision.verdict === "deny")!
    assert.match(denied.decision.reasons[0]!, /allows no more to ask kb: its limit is reached/)
    const { entries } = await chain.rooms.audit.entries({ session: id, event: "gate.action-begun" })
    assert.equal(entries.length, 5)
  })

  test("sums count exactly and together, over two servers; what is no amount is denied", async () => {
    await limited([{ sum: "amount", atMost: 0.3 }, { uses: 100 }])
    const { id } = await chain.root()
    const permits = await Promise.all(
      Array.from({ length: 10 }, (_, nth) => asking(nth % 2 ? other : chain.rooms, id, { amount: 0.1 })),
    )
    assert.equal(allowed(permits), 3)
    assert.deepEqual(await spent(id), [0.3, 3])
    for (const amount of [-1, "0", null, [0], 0.4]) {
      const { decision } = await asking(chain.rooms, id, { amount })
      assert.equal(decision.verdict, "deny", JSON.stringify(amount))
    }
    assert.equal((await asking(chain.rooms, id)).decision.verdict, "deny")
    assert.deepEqual(await spent(id), [0.3, 3])
  })

  test("a limit over some seconds makes room again", async () => {
    await limited([{ uses: 2, perSeconds: 3_600 }])
    const { id } = await chain.root()
    const at = (rooms: Rooms) => asking(rooms, id)
    assert.deepEqual(verdictsOf([await at(other), await at(chain.rooms), await at(other)]), ["allow", "allow", "deny"])
    const back = "update sessions.spendings set at = at - interval '1 hour' where session = $1"
    await chain.gate.store.owner.query(back, [id])
    assert.equal((await at(other)).decision.verdict, "allow")
  })

  test("what is denied takes nothing", async () => {
    await limited([{ uses: 1 }])
    const { id } = await chain.root()
    const never = `@id("all") permit (principal, action, resource); @id("never") forbid (principal, action, resource);`
    const { answer } = chained.purposes
    const detail = { type: "safeconduct_action", actions: ["tool:ask"], locations: ["kb"], limits: [{ uses: 1 }] }
    const purposes = { ...chained.purposes, answer: { ...answer, actions: [detail] } }
    await chain.apply({ purposes, policies: [{ file: "a.cedar", text: never }] })
    assert.deepEqual(verdictsOf([await asking(chain.rooms, id), await asking(chain.rooms, id)]), ["deny", "deny"])
    assert.deepEqual(await spent(id), [])
    await limited([{ uses: 1 }])
    assert.equal((await asking(chain.rooms, id)).decision.verdict, "allow")
  })

  test("a credential that could not be made is given back, and takes again when it is asked for again", async () => {
    await limited([{ uses: 1 }])
    const { id } = await chain.root()
    chain.gate.resource.beforeIssue = async () => {
      chain.gate.resource.beforeIssue = async () => undefined
      throw new Error("the resource is gone")
    }
    await assert.rejects(chain.gate.lease(id, "one"))
    assert.deepEqual(await spent(id), [0])
    assert.equal((await chain.gate.lease(id, "one")).decision.verdict, "allow")
    assert.deepEqual(await spent(id), [1])
  })

  test("a credential that was made, and whose answer was lost, stays taken", async () => {
    await limited([{ uses: 1 }])
    const { id } = await chain.root()
    const issue: Rooms["credentials"]["issue"] = async (lease, intent) => {
      await chain.rooms.credentials.issue(lease, intent)
      throw new Error("the answer is lost")
    }
    const losing = { ...chain.rooms, credentials: { ...chain.rooms.credentials, issue } }
    await assert.rejects(act(losing, chain.bot, { session: id, action: readKb, idempotencyKey: "one" }), /is lost/)
    assert.deepEqual(await spent(id), [1])
    assert.equal((await chain.gate.lease(id, "one")).handed?.lease.state, "live")
    assert.equal((await chain.gate.lease(id, "two")).decision.verdict, "deny")
  })

  test("the same Idempotency-Key is the same credential and takes once; another one is another", async () => {
    await limited([{ uses: 2 }])
    const { id } = await chain.root()
    const ask = (rooms: Rooms, idempotencyKey: string) =>
      act(rooms, chain.bot, { session: id, action: readKb, idempotencyKey })
    const same = await Promise.all(Array.from({ length: 6 }, (_, nth) => ask(nth % 2 ? other : chain.rooms, "one")))
    assert.equal(allowed(same), 6)
    assert.equal(new Set(same.map(({ lease }) => lease?.id)).size, 1)
    assert.deepEqual(await spent(id), [1])
    assert.deepEqual(verdictsOf([await ask(other, "two"), await ask(other, "three")]), ["allow", "deny"])
    assert.equal((await ask(chain.rooms, "one")).decision.verdict, "allow")
  })

  test("a replay that takes of another limit, and is thrown away, gives back nothing of what was answered", async () => {
    await limited([{ uses: 1 }])
    const { answer } = chained.purposes
    const reading = (mode: string) => ({
      ...{ type: "safeconduct_action", actions: ["credential:read"], locations: ["kb"], limits: [{ uses: 1 }] },
      arguments: { mode: [{ constant: mode }] },
    })
    const text = `@id("all") permit (principal, action, resource); @id("clean") forbid (principal, action, resource) when { context.labels.contains("untrusted") };`
    const purposes = { ...chained.purposes, answer: { ...answer, actions: [reading("a"), reading("b")] } }
    await chain.apply({ purposes, policies: [{ file: "a.cedar", text }] })
    const { id } = await chain.root()
    const ask = (rooms: Rooms, mode: string, idempotencyKey: string) =>
      act(rooms, chain.bot, { session: id, action: { ...readKb, arguments: { mode } }, idempotencyKey })
    assert.equal((await ask(chain.rooms, "a", "one")).handed?.lease.state, "live")
    assert.deepEqual(await spent(id), [1])
    const labelled = before(chain.rooms, async (commit) => {
      if (commit === 1) await chain.rooms.audit.commit(chain.rooms.sessions.usage.label(id, ["untrusted"]))
    })
    assert.equal((await ask(labelled, "b", "one")).decision.verdict, "deny")
    // Whoever was handed the credential has it still.
    assert.deepEqual(await spent(id), [1, 1])
  })

  test("a key that makes nothing the same is none: a tool takes each time, whatever key it comes with", async () => {
    await limited([{ uses: 2 }])
    const { id } = await chain.root()
    const action = { type: "tool", operation: "ask", resource: "kb", arguments: {} } as const
    const ask = () => admit(chain.rooms, chain.bot, { session: id, action, idempotencyKey: "one" })
    assert.deepEqual(verdictsOf([await ask(), await ask(), await ask()]), ["allow", "allow", "deny"])
  })

  test("an agent's word gives nothing back", async () => {
    await limited([{ uses: 1 }])
    const { id } = await chain.root()
    const { entry } = await asking(chain.rooms, id)
    await complete(chain.rooms, chain.bot, entry, { outcome: "failed" })
    assert.deepEqual(await spent(id), [1])
    assert.equal((await asking(other, id)).decision.verdict, "deny")
  })

  test("what a refused commit would have taken is not taken", async () => {
    await limited([{ uses: 50 }])
    const { id } = await chain.root()
    const codes: (string | null)[] = []
    for (let nth = 0; nth < 7; nth++) await chain.gate.lease(id).catch((error) => codes.push(refusalCode(error)))
    assert.deepEqual(codes, ["lease-limit", "lease-limit"])
    assert.deepEqual(await spent(id), [5])
  })

  test("a decision that is thrown away and taken again takes once; given up, it takes nothing", async () => {
    await limited([{ uses: 3 }])
    const { id } = await chain.root()
    const reason = `@id("all") permit (principal, action, resource);`
    let nth = 0
    // Another version each time: what was decided under the one before is thrown away.
    const changing = (until: number) =>
      before(chain.rooms, async (commit) => {
        if (commit % 2 === 0 || commit > until) return
        nth += 1
        const purposes = { ...chained.purposes, answer: { ...chained.purposes.answer, description: `Answer ${nth}` } }
        await chain.apply({ purposes, policies: [{ file: "all.cedar", text: `${reason}//${nth}` }] })
      })
    assert.equal((await asking(changing(1), id)).decision.verdict, "allow")
    assert.deepEqual(await spent(id), [1])
    await assert.rejects(asking(changing(100), id), (error) => refusalCode(error) === "epoch-changed")
    assert.deepEqual(await spent(id), [1])
  })

  test("what a sub-session takes, everyone above it takes too, and all of a chain share what the first one has", async () => {
    await limited([{ uses: 3 }])
    const root = await chain.root()
    const details = [{ type: "safeconduct_action", actions: ["tool:ask"], locations: ["kb"] }] as ActionDetail[]
    const child = await chain.beneath(root, chain.shipper, { details })
    const sibling = await chain.beneath(root, chain.carrier, { details })
    const asked = await Promise.all([
      asking(chain.rooms, child.id, {}, chain.shipper),
      asking(other, child.id, {}, chain.shipper),
      asking(chain.rooms, sibling.id, {}, chain.carrier),
      asking(other, sibling.id, {}, chain.carrier),
      asking(other, root.id),
      asking(chain.rooms, root.id),
    ])
    assert.equal(allowed(asked), 3)
    assert.deepEqual(await spent(root.id), [3])
    const denied = asked.filter(({ decision }) => decision.verdict === "deny")
    assert.match(denied[0]!.decision.reasons[0]!, /limit is reached/)
  })

  test("a sub-session keeps to the lower of both limits, and a part of it is no way around", async () => {
    await limited([{ uses: 10 }])
    const root = await chain.root()
    const part = (operation: string) => ({ type: "safeconduct_action", actions: [operation], locations: ["kb"] })
    const details = [{ ...part("tool:ask"), limits: [{ uses: 2 }] }, part("credential:read")] as ActionDetail[]
    const child = await chain.beneath(root, chain.shipper, { details })
    const ask = () => asking(other, child.id, {}, chain.shipper)
    assert.deepEqual(verdictsOf([await ask(), await ask(), await ask()]), ["allow", "allow", "deny"])
    assert.deepEqual(await spent(root.id), [2])
    // The purpose's limit counts both actions together, however the list that was asked for splits them.
    for (let nth = 0; nth < 8; nth++) assert.equal((await asking(other, root.id)).decision.verdict, "allow")
    assert.equal((await chain.gate.lease(child.id, "x", chain.shipper)).decision.verdict, "deny")
  })

  test("nobody asks how much is left before it was too little, and then another detail may have some", async () => {
    const { answer } = chained.purposes
    const part = (uses: number) => ({
      type: "safeconduct_action",
      actions: ["tool:ask"],
      locations: ["kb"],
      limits: [{ uses }],
    })
    await chain.apply({ purposes: { ...chained.purposes, answer: { ...answer, actions: [part(1), part(2)] } } })
    const { id } = await chain.root()
    let asked = 0
    const { sessions } = chain.rooms
    const room: Rooms["sessions"]["usage"]["room"] = (request, takings) => {
      asked += 1
      return sessions.usage.room(request, takings)
    }
    const counting = { ...chain.rooms, sessions: { ...sessions, usage: { ...sessions.usage, room } } }
    const seen: [string, number][] = []
    for (let nth = 0; nth < 4; nth++) seen.push([(await asking(counting, id)).decision.verdict, asked])
    assert.deepEqual(seen, [
      ["allow", 0],
      ["allow", 1],
      ["allow", 2],
      ["deny", 3],
    ])
  })

  test("an action without limits, or with what was seen before, commits nothing but its entry", async () => {
    await chain.apply()
    const { id } = await chain.root()
    const works: boolean[] = []
    const commit: Rooms["audit"]["commit"] = (change) => {
      works.push(change.work !== undefined)
      return chain.rooms.audit.commit(change)
    }
    await asking({ ...chain.rooms, audit: { ...chain.rooms.audit, commit } }, id)
    assert.deepEqual(works, [false])
  })
})
