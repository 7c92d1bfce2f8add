import assert from "node:assert/strict"
import { after, describe, test } from "node:test"
import { openKeyring, refusalCode, Secret } from "#kernel"
import { action, alice, openTestApprovals } from "../fixture.ts"
import type { Approval } from "../request.ts"
import { resealBackchannel } from "./backchannel.ts"

const at = await openTestApprovals()
const { approvals, audit, store } = at
const { backchannel } = approvals
// How often people may be asked is not what this is about.
await at.configure({ pacing: { perPersonPerMinute: 1_000, perAgentPerHour: 10_000 } })
const { owner } = store

const bot = { agent: "bot", instance: "instance_1" }
const by = "spiffe://example.org/agent/bot"

let count = 0
/** A request of its own, asked by CIBA. */
async function asked(notificationToken: string | null = null) {
  count += 1
  const approval = await at.held({ action: action({ count }, `refund-${count}`) })
  const token = notificationToken === null ? null : new Secret(notificationToken)
  return { approval, ...(await backchannel.ask(bot, approval.id, token)) }
}
const redeeming = (authReqId: string, approval: Approval, server = at as Pick<typeof at, "approvals" | "audit">) =>
  server.audit.commit(server.approvals.backchannel.redeem(authReqId, bot, { approval, jti: "token_1", by }))
const wait = (seconds: number) =>
  owner.query("update approvals.backchannel_requests set polled_at = polled_at - make_interval(secs => $1)", [seconds])
const refusedWith = (code: string) => (error: unknown) => refusalCode(error) === code

describe("requests for approval by OpenID CIBA", () => {
  after(() => at[Symbol.asyncDispose]())

  test("CIBA Core §7.3: a name has 256 random bits in the characters that it may have, and only its hash is kept", async () => {
    const { authReqId, expiresIn, interval } = await asked()
    assert.match(authReqId, /^[A-Za-z0-9_-]{43}$/)
    assert.ok(expiresIn > 290 && expiresIn <= 300)
    assert.equal(interval, 5)
    const rows = await owner.query("select b::text from approvals.backchannel_requests b")
    assert.ok(!JSON.stringify(rows).includes(authReqId))
  })

  test("CIBA Core §11: pending, then what was decided, told at once", async () => {
    const { authReqId, approval } = await asked()
    assert.deepEqual(await backchannel.poll(authReqId, bot), { is: "pending" })
    await at.say(approval, alice)
    assert.deepEqual(await backchannel.poll(authReqId, bot), { is: "approved", request: approval.id })
    const denied = await asked()
    await at.say(denied.approval, alice, "deny")
    assert.deepEqual(await backchannel.poll(denied.authReqId, bot), { is: "denied" })
    const withdrawn = await asked()
    await audit.commit(approvals.withdraw({ ids: [withdrawn.approval.id] }, "session-ended", "server"))
    assert.deepEqual(await backchannel.poll(withdrawn.authReqId, bot), { is: "denied" })
  })

  test("CIBA Core §11: expired, when nobody decided or nobody used it in time", async () => {
    const [one, two] = [await asked(), await asked()]
    await at.say(two.approval, alice)
    await owner.query("update approvals.requests set expires_at = now() where id = $1", [one.approval.id])
    await owner.query("update approvals.requests set use_before = now() where id = $1", [two.approval.id])
    for (const { authReqId } of [one, two]) {
      assert.deepEqual(await backchannel.poll(authReqId, bot), { is: "expired" })
    }
    await assert.rejects(redeeming(two.authReqId, two.approval), refusedWith("grant-invalid"))
  })

  test("CIBA Core §11: another agent, and another instance, learn of nothing (pitfall 26)", async () => {
    const { authReqId, approval } = await asked()
    await at.say(approval, alice)
    for (const other of [
      { ...bot, instance: "instance_2" },
      { ...bot, agent: "other" },
    ]) {
      assert.deepEqual(await backchannel.poll(authReqId, other), { is: "unknown" })
      const stolen = audit.commit(backchannel.redeem(authReqId, other, { approval, jti: "token_2", by }))
      await assert.rejects(stolen, refusedWith("grant-invalid"))
    }
    for (const name of ["", "x", authReqId.slice(1), `${authReqId}a`, "é"]) {
      assert.deepEqual(await backchannel.poll(name, bot), { is: "unknown" })
    }
  })

  test("a name is good for the approval that it is of, and no other", async () => {
    const [one, two] = [await asked(), await asked()]
    await at.say(two.approval, alice)
    await assert.rejects(redeeming(one.authReqId, two.approval), refusedWith("grant-invalid"))
  })

  test("CIBA Core §11: who polls too soon waits five seconds longer each time, at whatever server", async () => {
    const other = await at.another()
    const { authReqId, approval } = await asked()
    const polls = [backchannel, other.approvals.backchannel]
    assert.deepEqual(await polls[0]!.poll(authReqId, bot), { is: "pending" })
    assert.deepEqual(await polls[1]!.poll(authReqId, bot), { is: "too-soon" })
    await wait(6)
    assert.deepEqual(await polls[0]!.poll(authReqId, bot), { is: "too-soon" }, "ten seconds by now")
    await wait(15)
    assert.deepEqual(await polls[1]!.poll(authReqId, bot), { is: "pending" })
    await wait(15)
    assert.deepEqual(await polls[0]!.poll(authReqId, bot), { is: "pending" })
    await at.say(approval, alice)
    assert.equal((await polls[1]!.poll(authReqId, bot)).is, "approved", "what is decided is not held back")
  })

  test("pitfall 11: 64 redemptions over two servers give one token, under whatever names", async () => {
    const other = await at.another()
    const { authReqId, approval } = await asked()
    const second = await backchannel.ask(bot, approval.id, null)
    const decided = await at.say(approval, alice)
    const tries = Array.from({ length: 64 }, (_, nth) =>
      redeeming(nth % 3 === 0 ? second.authReqId : authReqId, decided, nth % 2 === 0 ? at : other).then(
        () => "redeemed",
        (error: unknown) => refusalCode(error),
      ),
    )
    const answers = await Promise.all(tries)
    assert.equal(answers.filter((answer) => answer === "redeemed").length, 1)
    assert.equal(answers.filter((answer) => answer === "grant-invalid").length, 63)
    const issued = await at.entries("approvals.token-issued")
    assert.equal(issued.filter(({ data }) => data!["approval"] === approval.id).length, 1)
    for (const name of [authReqId, second.authReqId]) {
      assert.deepEqual(await backchannel.poll(name, bot), { is: "unknown" })
    }
    await assert.rejects(
      owner.query("update approvals.backchannel_requests set redeemed_at = now() where request = $1", [approval.id]),
      /backchannel_redeemed/,
    )
  })

  test("what was used without a token gives none", async () => {
    const { authReqId, approval } = await asked()
    const decided = await at.say(approval, alice)
    await audit.commit(approvals.use({ id: approval.id, entry: decided.entry, key: null, isRepeatable: false }))
    assert.deepEqual(await backchannel.poll(authReqId, bot), { is: "unknown" })
    await assert.rejects(redeeming(authReqId, decided), refusedWith("grant-invalid"))
  })

  test("OpenID Connect Core §8.1: a user has one name for each agent, and another for each", async () => {
    const names = await Promise.all(
      Array.from({ length: 8 }, () => backchannel.subject({ agentId: "agent_1", user: alice.id })),
    )
    assert.equal(new Set(names).size, 1)
    assert.notEqual(await backchannel.subject({ agentId: "agent_2", user: alice.id }), names[0])
    assert.notEqual(await backchannel.subject({ agentId: "agent_1", user: "user_2" }), names[0])
    assert.ok(!names[0]!.includes(alice.id))
  })

  test("CIBA Core §10.2: a ping is owed when it is decided, to one server at a time, and again until it is delivered", async () => {
    const other = await at.another()
    const { authReqId, approval } = await asked("token-of-the-client")
    const due = async () => {
      const taken = await Promise.all([backchannel.takePings(100), other.approvals.backchannel.takePings(100)])
      return taken.flat()
    }
    assert.deepEqual(await due(), [], "nothing is decided")
    await at.say(approval, alice, "deny")
    const [ping, ...more] = await due()
    assert.deepEqual(more, [])
    assert.deepEqual([ping!.authReqId, ping!.notificationToken.reveal()], [authReqId, "token-of-the-client"])
    assert.deepEqual([ping!.agent, ping!.instance, ping!.tries], ["bot", "instance_1", 1])
    assert.deepEqual(await due(), [], "it is on its way")
    await owner.query("update approvals.backchannel_requests set ping_due_at = now() where ping is not null")
    assert.equal((await due())[0]!.tries, 2)
    await backchannel.endPing(ping!)
    await owner.query("update approvals.backchannel_requests set ping_due_at = now() where ping is not null")
    assert.deepEqual(await due(), [])
  })

  test("what pings say rests sealed, for its own place, and is sealed anew with another key", async () => {
    const { authReqId, approval } = await asked("token-of-the-client")
    const rows = await owner.query<{ ping: string; hash: Buffer }>(
      "select ping, hash from approvals.backchannel_requests where ping is not null",
    )
    assert.ok(!JSON.stringify(rows).includes("token-of-the-client") && !JSON.stringify(rows).includes(authReqId))
    const [old, next] = [Buffer.alloc(32, 1), Buffer.alloc(32, 2)]
    const place = `approvals.backchannel_requests/${rows[0]!.hash.toString("hex")}`
    const sealed = openKeyring(old).seal(place, JSON.stringify([authReqId, "token-of-the-client"]))
    await owner.query("update approvals.backchannel_requests set ping = $1 where request = $2", [sealed, approval.id])
    const keyring = openKeyring(next, [old])
    assert.equal(await resealBackchannel(store.database, keyring), 1)
    assert.equal(await resealBackchannel(store.database, keyring), 0)
    const [now] = await owner.query<{ ping: string }>(
      "select ping from approvals.backchannel_requests where request = $1",
      [approval.id],
    )
    assert.equal(
      openKeyring(next).open(place, now!.ping).toString(),
      JSON.stringify([authReqId, "token-of-the-client"]),
    )
    await owner.query("update approvals.backchannel_requests set ping = null, ping_due_at = null")
  })

  test("what nobody asks for any more is forgotten, and what was asked lately is not", async () => {
    const { authReqId } = await asked()
    const old = await asked()
    await owner.query(
      `update approvals.backchannel_requests set asked_at = now() - interval '4 days' where request = $1`,
      [old.approval.id],
    )
    await backchannel.forget()
    assert.deepEqual(await backchannel.poll(old.authReqId, bot), { is: "unknown" })
    assert.deepEqual(await backchannel.poll(authReqId, bot), { is: "pending" })
  })
})
