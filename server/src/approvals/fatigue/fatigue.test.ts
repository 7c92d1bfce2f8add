import assert from "node:assert/strict"
import { after, beforeEach, describe, test } from "node:test"
import { newId } from "#kernel"
import { action, alice, openTestApprovals } from "../fixture.ts"
import type { Approval } from "../request.ts"
import { proposalsFor } from "./propose.ts"

const room = await openTestApprovals()
const { store } = room

/** A request on a card of its own, asked by that policy. */
const asked = (policy: string | null, nth = 0) =>
  room.held({ policies: policy === null ? [] : [policy], session: newId("session"), action: action({ nth }) })

/** As if the person had taken that long. */
async function taking(seconds: number, approval: Approval): Promise<void> {
  await store.owner.query(
    `update approvals.decisions d set decided_at = r.requested_at + make_interval(secs => $2)
     from approvals.requests r where r.id = d.request and r.id = $1`,
    [approval.id, seconds],
  )
}

async function decided(policy: string | null, decision: "approve" | "deny", seconds: number): Promise<void> {
  const approval = await asked(policy)
  await room.say(approval, alice, decision)
  await taking(seconds, approval)
}

describe("the report on asking", { timeout: 60_000 }, () => {
  after(() => room[Symbol.asyncDispose]())
  beforeEach(async () => {
    await store.owner.query(
      "truncate approvals.requests, approvals.decisions, approvals.kinds, approvals.notices cascade",
    )
    const pacing = { perPersonPerMinute: 1_000, perAgentPerHour: 1_000, bulk: 1_000, denialsToCoolOff: 100 }
    await room.configure({ pacing })
  })

  test("says how often people were asked, how fast they were, and what they said, by policy and person", async () => {
    for (const seconds of [1, 1, 3, 20]) await decided("refunds", "approve", seconds)
    await decided("refunds", "deny", 30)
    await decided("raises", "deny", 60)
    await asked(null)
    const { asked: all, pace, policies, people, actions } = await room.approvals.fatigue({ hours: 24, actions: 140 })
    assert.deepEqual([actions, all.requests, all.cards, all.per100Actions], [140, 7, 7, 5])
    assert.deepEqual([all.approved, all.denied, all.approvalRate], [4, 2, 4 / 6])
    assert.deepEqual([pace.decisions, pace.medianSeconds, pace.fast, pace.fastShare], [6, 11.5, 2, 2 / 6])
    assert.deepEqual(
      policies.map(({ policy, requests, approvalRate, medianSeconds }) => [
        policy,
        requests,
        approvalRate,
        medianSeconds,
      ]),
      [
        ["refunds", 5, 0.8, 3],
        ["raises", 1, 0, 60],
        [null, 1, null, null],
      ],
    )
    assert.deepEqual(people, [{ user: alice.id, cards: 7, mostInAnHour: people[0]!.mostInAnHour, perHour: 7 / 24 }])
    assert.ok(people[0]!.mostInAnHour >= 4, "all within an hour, or two")
  })

  test("counts nothing that was before, or that was withdrawn, as a decision", async () => {
    await decided("refunds", "approve", 5)
    await room.age(7_200)
    await decided("refunds", "approve", 5)
    const waiting = await asked("refunds")
    await room.audit.commit(room.approvals.withdraw({ ids: [waiting.id] }, "test", "server"))
    const { asked: all } = await room.approvals.fatigue({ hours: 1, actions: 0 })
    assert.deepEqual([all.requests, all.withdrawn, all.approvalRate, all.per100Actions], [2, 1, 1, null])
  })

  test("proposes a narrower rule where thirty of thirty-one were approved, and says which policy", async () => {
    for (let nth = 0; nth < 30; nth++) await decided("refunds", "approve", 10)
    await decided("refunds", "deny", 10)
    const { proposals } = await room.approvals.fatigue({ hours: 24, actions: 100 })
    assert.deepEqual(
      proposals.map(({ policy, kind }) => [policy, kind]),
      [["refunds", "narrow"]],
    )
    assert.match(
      proposals[0]!.words,
      /refunds was asked about 31 times and approved 96\.7 % of them\..*approvals\.grants/,
    )
  })
})

test("nothing is proposed below thirty, at 95 %, or for people who take their time", () => {
  const of = (approved: number, denied: number, medianSeconds: number) => ({
    ...{ policy: "p", requests: 0, cards: 0, approved, denied, reported: 0, expired: 0, withdrawn: 0, fast: 0 },
    ...{ decisions: approved + denied, medianSeconds, approvalRate: approved / (approved + denied) },
  })
  assert.deepEqual(proposalsFor([of(29, 0, 10), of(38, 2, 10), of(9, 0, 1), of(10, 10, 2)]), [])
  assert.deepEqual(
    proposalsFor([of(40, 0, 1), of(10, 10, 1.9)]).map(({ kind }) => kind),
    ["narrow", "raise", "raise"],
  )
})
