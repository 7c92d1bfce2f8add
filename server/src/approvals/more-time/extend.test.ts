import assert from "node:assert/strict"
import { after, before, describe, test } from "node:test"
import { type Id, newId, refusalCode } from "#kernel"
import { alice, openTestApprovals, person, type TestApprovals } from "../fixture.ts"
import type { Approval, Person } from "../request.ts"

const refusedWith = (code: string) => (error: unknown) => refusalCode(error) === code || assert.fail(String(error))
const [olga, max] = [person("olga"), person("max")]
const lasts = ({ requestedAt, expiresAt }: Approval) =>
  Math.round((expiresAt.getTime() - requestedAt.getTime()) / 1_000)

describe("more time", () => {
  let room: TestApprovals
  before(async () => {
    room = await openTestApprovals()
    await room.configure({ pacing: { perPersonPerMinute: 1_000, perAgentPerHour: 10_000, bulk: 1_000 } })
  })
  after(() => room[Symbol.asyncDispose]())

  const held = (more: object = {}) => room.held({ session: newId("session"), expirySeconds: 60, ...more })
  const extend = async ({ id }: Approval, who: Person = alice) =>
    (await room.audit.commit(room.approvals.extend(id, who))).result
  const mayExtend = async ({ id }: Approval) => (await room.approvals.extendable([id])).includes(id)

  test("is as much again as there was at first, and the log says until when and who took it", async () => {
    const asked = await held()
    assert.equal(lasts(asked), 60)
    const more = await extend(asked)
    assert.deepEqual([lasts(more), more.isOpen], [120, true])
    const entry = (await room.entries("approvals.extended")).at(-1)!
    assert.deepEqual(
      [entry.by, entry["session"], entry.data],
      [alice.id, asked.session, { approval: asked.id, expiresAt: more.expiresAt.toISOString() }],
    )
  })

  test("keeps a request open that would be over, and after it the request is over", async () => {
    const asked = await held()
    await extend(asked)
    await room.age(61)
    await room.audit.commit(room.approvals.expire())
    assert.equal((await room.approvals.find(asked.id))!.isOpen, true)
    await room.age(60)
    assert.equal(await mayExtend(asked), false)
    await assert.rejects(extend(asked), refusedWith("approval-over"))
    await room.audit.commit(room.approvals.expire())
    assert.equal((await room.approvals.find(asked.id))!.state, "expired")
  })

  test("is to be had ten times, and a day in all, at the most", async () => {
    const asked = await held()
    for (let nth = 1; nth <= 10; nth++) assert.equal(lasts(await extend(asked)), 60 * (nth + 1))
    assert.equal(await mayExtend(asked), false)
    await assert.rejects(extend(asked), refusedWith("approval-over"))
    await room.configure({
      expirySeconds: 36_000,
      pacing: { perPersonPerMinute: 1_000, perAgentPerHour: 10_000, bulk: 1_000 },
    })
    const long = await held({ expirySeconds: 36_000 })
    await extend(long)
    assert.equal(lasts(await extend(long)), 86_400)
    await assert.rejects(extend(long), refusedWith("approval-over"))
  })

  test("is nobody's who has no say in it, or has said it", async () => {
    const asked = await held()
    await assert.rejects(extend(asked, olga), refusedWith("approval-unknown"))
    await assert.rejects(extend({ id: "approval_no" } as never), refusedWith("approval-unknown"))
    const members = [olga, max].map(({ provider, sub: subject }) => ({ provider, subject }))
    const both = await held({ requirements: [{ of: "leads", rung: "quorum", required: 2, members }] })
    await room.say(both, olga)
    await assert.rejects(extend(both, olga), refusedWith("approval-over"))
    assert.equal(lasts(await extend(both, max)), 120)
    assert.equal((await room.say((await room.approvals.find(both.id))!, max)).state, "approved")
    await assert.rejects(extend(both, max), refusedWith("approval-over"))
  })

  test("is what is signed from then on, also by who signed just before", async () => {
    const members = [olga, max].map(({ provider, sub: subject }) => ({ provider, subject }))
    const both = await held({ requirements: [{ of: "leads", rung: "quorum", required: 2, members }] })
    await room.say(both, olga)
    const more = await extend(both, max)
    await assert.rejects(room.say(both, max), refusedWith("proof-insufficient"))
    assert.equal((await room.approvals.find(both.id))!.decisions.length, 1)
    assert.equal((await room.say(more, max)).state, "approved")
  })

  test("is not to be had where somebody was promised when it ends", async () => {
    const asked = await held()
    const asker = { agent: "bot", instance: asked.instance }
    await room.approvals.backchannel.ask(asker, asked.id as Id<"approval">, null)
    assert.equal(await mayExtend(asked), false)
    await assert.rejects(extend(asked), refusedWith("approval-over"))
    const there = await held()
    await room.store.owner.query(
      `insert into approvals.provider_requests (id, request, user_id, provider, issuer, subject)
       values ('p', $1, $2, 'shop', 'https://id.example', 'alice')`,
      [there.id, alice.id],
    )
    await assert.rejects(extend(there), refusedWith("approval-over"))
    await room.store.owner.query("update approvals.provider_requests set state = 'failed'")
    assert.equal(lasts(await extend(there)), 120)
  })

  test("taken while a client asks by CIBA is in what the client is promised", async () => {
    const asked = await held()
    const isTaken = Promise.withResolvers<void>()
    const taking = room.store.database.transaction(async (tx) => {
      await room.approvals.extend(asked.id, alice).work!(tx)
      isTaken.resolve()
      await new Promise((resolve) => setTimeout(resolve, 200))
    })
    await isTaken.promise
    const { expiresIn } = await room.approvals.backchannel.ask({ agent: "bot", instance: "i" }, asked.id, null)
    await taking
    assert.ok(expiresIn > 100, String(expiresIn))
    assert.equal(await mayExtend(asked), false)
  })

  test("taken by eight at once, on two servers, is taken ten times at the most", async () => {
    const other = await room.another()
    const asked = await held()
    const tries = Array.from({ length: 16 }, (_, nth) => {
      const { audit, approvals } = nth % 2 === 0 ? room : other
      return audit.commit(approvals.extend(asked.id, alice))
    })
    const settled = await Promise.allSettled(tries)
    assert.equal(settled.filter(({ status }) => status === "fulfilled").length, 10)
    assert.equal(lasts((await room.approvals.find(asked.id))!), 660)
  })
})
