import assert from "node:assert/strict"
import { randomUUID } from "node:crypto"
import { after, before, describe, test } from "node:test"
import type { Safeconduct, Session } from "@safeconduct/sdk"
import { verifyLog } from "@safeconduct/tlog"
import { type Ground, openGround } from "./fixtures/ground.ts"
import { openPassage, type Passage } from "./fixtures/passage.ts"
import { connected } from "./fixtures/resource.ts"
import type { Server, Standby } from "./fixtures/servers.ts"
import { until } from "./fixtures/until.ts"

type Leased = { lease: { id: string }; credential: { user: string; password: string } }
type Row = { id: string; state: string; ending: string | null; role_name: string }

describe("a server killed", { timeout: 120_000 }, () => {
  let ground: Ground
  let passage: Passage
  let server: Server
  let next: Promise<Standby>
  let agent: Safeconduct
  before(async () => {
    ground = await openGround({
      through: async (port) => {
        passage = await openPassage(port)
        return passage.port
      },
    })
    server = ground.first
    next = ground.standby(server)
    // The last one is never asked for, and may be killed while it loads.
    next.catch(() => undefined)
    agent = await ground.enrolled("bot")
  })
  after(async () => {
    await ground?.[Symbol.asyncDispose]()
    await passage?.[Symbol.asyncDispose]()
  })

  const lease = (session: string, { idempotencyKey = randomUUID() as string, maxAttempts = 4 } = {}) =>
    agent.transport.json<Leased>({
      method: "POST",
      path: "/v1/actions",
      body: { session, action: { type: "credential", resource: "kb", operation: "read" } },
      idempotencyKey,
      maxAttempts,
    })
  /** Kills the server at that moment, and starts another at its addresses. */
  const restart = async (moment?: () => Promise<unknown>) => {
    await moment?.()
    await server.child.kill("SIGKILL")
    server = await (await next).serve()
    next = ground.standby(server)
    next.catch(() => undefined)
  }
  /** Asks for a lease, and kills the server when what it tells the resource, or is told, is held. */
  const killedWhileIssuing = async (session: Session, holds: "holdRequest" | "holdAnswer") => {
    await restart(async () => {
      const held = passage[holds](/create role/)
      // The server is killed before it answers.
      lease(session.id, { maxAttempts: 1 }).catch(() => undefined)
      await held
      const [{ role_name }] = (await rowsOf(session)) as [Row]
      if (holds === "holdAnswer") await until("the account", () => hasAccount(role_name))
    })
    const [{ state, role_name }] = (await rowsOf(session)) as [Row]
    assert.deepEqual([state, await hasAccount(role_name)], ["intended", holds === "holdAnswer"])
    return role_name
  }
  const rowsOf = async (session: Session) =>
    (
      await ground.ours.query<Row>("select id, state, ending, role_name from credentials.leases where session = $1", [
        session.id,
      ])
    ).rows
  const hasAccount = async (name: string) =>
    (await ground.owners["kb"]!.query("select from pg_roles where rolname = $1", [name])).rowCount === 1
  /** What nobody confirmed for a minute, and what a silent server claimed 5 seconds ago, is anybody's: that time passes. */
  const letTimePass = () =>
    ground.ours.query(
      `update credentials.leases set intended_at = intended_at - interval '1 minute',
              claimed_until = claimed_until - interval '5 seconds'
        where id in (select id from credentials.leases where state in ('intended', 'revoking') for update skip locked)`,
    )
  const letDeadlinesPass = () => ground.ours.query("update audit.intents set deadline = now()")
  const goneWith = (session: Session, why: string) =>
    until("every lease of the session gone", async () => {
      const rows = await rowsOf(session)
      const isOver = rows.length > 0 && rows.every(({ state, ending }) => state === "revoked" && ending === why)
      return isOver && !(await hasAccount(rows[0]!.role_name))
    })

  test("before the resource hears of a lease leaves an intent, which is closed and recorded", async () => {
    const session = await agent.open({ purpose: "answer" })
    await killedWhileIssuing(session, "holdRequest")
    await letTimePass()
    await goneWith(session, "never-confirmed")
    const { leaf } = await ground.recorded(session.id, "credentials.lease-revoked")
    assert.equal(leaf.data!.why, "never-confirmed")
    await letDeadlinesPass()
    const missing = await ground.recorded(session.id, "audit.outcome-missing")
    const [begun] = await ground.entries({ session: session.id, event: "gate.action-begun" })
    assert.equal(missing.leaf.of, begun!.id)
    await session.end()
  })

  test("right after the account was made leaves it to nobody, and the next server removes it", async () => {
    const session = await agent.open({ purpose: "answer" })
    await killedWhileIssuing(session, "holdAnswer")
    await letTimePass()
    await goneWith(session, "never-confirmed")
    await ground.recorded(session.id, "credentials.lease-revoked")
    await session.end()
  })

  test("right after the account was made: the session's end removes it without any waiting", async () => {
    const session = await agent.open({ purpose: "answer" })
    const account = await killedWhileIssuing(session, "holdAnswer")
    await session.end()
    assert.equal(await hasAccount(account), false)
    await goneWith(session, "session-ended")
  })

  test("after a lease was handed out still answers its Idempotency-Key with the same credential", async () => {
    const session = await agent.open({ purpose: "answer" })
    const idempotencyKey = randomUUID()
    const first = await lease(session.id, { idempotencyKey })
    await restart()
    const again = await lease(session.id, { idempotencyKey })
    assert.deepEqual([again.lease.id, again.credential], [first.lease.id, first.credential])
    await session.end()
  })

  test("while it takes a lease away is succeeded by the next, and the connection is cut", async () => {
    const session = await agent.open({ purpose: "answer" })
    const { credential } = await lease(session.id)
    const connection = await connected({ ...ground.document.resources["kb"], ...credential })
    const path = `/v1/sessions/${session.id}`
    await restart(async () => {
      const held = passage.holdRequest(/pg_terminate_backend/)
      agent.transport.json({ method: "DELETE", path, maxAttempts: 1 }).catch(() => undefined)
      await held
      await until("the end to be durable", async () => {
        const ended = await ground.ours.query(
          "select from audit.entries where event = 'sessions.ended' and session = $1",
          [session.id],
        )
        return ended.rowCount === 1 && (await rowsOf(session))[0]!.state === "revoking"
      })
    })
    assert.equal((await connection.query("select 1 as alive")).rows[0].alive, 1)
    await letTimePass()
    await connection.lost
    await goneWith(session, "session-ended")
    await ground.recorded(session.id, "credentials.lease-revoked")
  })

  test("again and again at work leaves no account without a live lease, and a log in one piece", async (t) => {
    const sessions: Session[] = []
    let isOver = false
    const work = async () => {
      while (!isOver) {
        try {
          const session = await agent.open({ purpose: "answer" })
          sessions.push(session)
          await Promise.all(Array.from({ length: 3 }, () => lease(session.id)))
          if (sessions.length % 2 === 0) await session.end()
        } catch {
          // The server is gone just now.
          await new Promise((resolve) => setTimeout(resolve, 20))
        }
      }
    }
    const working = [work(), work()]
    for (let round = 0; round < 3; round++) {
      const before = sessions.length
      await restart(() => until("some work", () => sessions.length > before + 3))
    }
    isOver = true
    await Promise.all(working)
    await Promise.all(
      sessions.map((session) =>
        agent.transport.json({ method: "DELETE", path: `/v1/sessions/${session.id}` }).catch(() => undefined),
      ),
    )
    const count = async (text: string) =>
      (await ground.ours.query<{ n: number }>(`select count(*)::int as n from ${text}`)).rows[0]!.n
    await until("every lease closed", async () => {
      await letTimePass()
      return (await count("credentials.leases where state not in ('revoked', 'expired')")) === 0
    })
    const { rows } = await ground.owners["kb"]!.query("select rolname from pg_roles where rolname like 'sc\\_%'")
    assert.deepEqual(rows, [])
    // One end of each lease, and none of a lease that was never intended.
    const intended = await count("audit.entries where event = 'credentials.lease-intended'")
    const ends = "('credentials.lease-revoked', 'credentials.lease-expired', 'credentials.lease-failed')"
    assert.equal(await count(`audit.entries where event in ${ends}`), intended)
    assert.equal(await count("credentials.leases"), intended)
    t.diagnostic(`${sessions.length} sessions, ${intended} leases in 3 kills`)

    assert.deepEqual((await verifyLog(ground.logReader(server), ground.logKey)).problems, [])
  })
})
