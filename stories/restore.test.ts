import assert from "node:assert/strict"
import { execFileSync } from "node:child_process"
import { rmSync } from "node:fs"
import { after, before, describe, test } from "node:test"
import type { Lease, Safeconduct } from "@safeconduct/sdk"
import { diagnose, rotateLog, silentLog } from "@safeconduct/server/programs"
import {
  httpReader,
  type LogReader,
  openCheckpoint,
  parseNoteVerifier,
  verifyLog,
  verifyReceipt,
} from "@safeconduct/tlog"
import { type Ground, openGround } from "./fixtures/ground.ts"
import { type Connection, connected, isLoginRefused } from "./fixtures/resource.ts"
import type { Server } from "./fixtures/servers.ts"
import { until } from "./fixtures/until.ts"

const purposes = { answer: { lifetimeSeconds: 600, leaseSeconds: 300 } }
const patience = { withinMs: 60_000 }

describe("a backup that was taken under load, and restored", { timeout: 300_000 }, () => {
  let ground: Ground
  before(async () => {
    ground = await openGround({ purposes, agents: ["worker"], isDurable: true })
  })
  after(() => ground?.[Symbol.asyncDispose]())

  /** An agent that opens sessions and leases, and ends some, until it is told to stop. What fails, it tries again. */
  function working(agent: Safeconduct) {
    let isStopped = false
    const leases: Lease[] = []
    const ended = (async () => {
      while (!isStopped) {
        try {
          const session = await agent.open({ purpose: "answer" })
          leases.push(await session.lease("kb", { operation: "read" }))
          if (leases.length % 3 === 0) await session.end()
        } catch {
          await new Promise((resolve) => setTimeout(resolve, 50))
        }
      }
    })()
    const stop = () => {
      isStopped = true
      return ended
    }
    return { leases, stop }
  }
  const roles = async () => {
    const sql = "select rolname from pg_roles where rolname like 'sc\\_%'"
    return new Set((await ground.owners["kb"]!.query<{ rolname: string }>(sql)).rows.map(({ rolname }) => rolname))
  }
  const ready = async ({ opsUrl }: Server) => {
    const answer = await fetch(`${opsUrl}/readyz`)
    return { status: answer.status, text: await answer.text() }
  }
  const copy = (from: string, to: string) => execFileSync("cp", ["-a", from, to])

  test("what was issued after it is taken away, nothing is granted, and the log goes on as the next", async (t) => {
    const second = await (await ground.standby()).serve()
    const agents = await Promise.all([ground.enrolled("worker"), ground.enrolled("worker", second)])
    const survivor = await agents[0]!.open({ purpose: "answer" })
    const kept = await survivor.lease("kb", { operation: "read" })
    const doomed = await agents[0]!.open({ purpose: "answer" })
    const gone = await doomed.lease("kb", { operation: "read" })
    const load = agents.map(working)
    const count = () => load.reduce((sum, { leases }) => sum + leases.length, 0)
    await until("leases before the backup", () => count() >= 10, patience)

    // Stop and copy: the servers run on, and the agents go on asking.
    const { rows } = await ground.ours.query<{ data_directory: string }>("show data_directory")
    const data = rows[0]!.data_directory
    const backup = `${data}-backup`
    t.after(() => rmSync(backup, { recursive: true, force: true }))
    await ground.own.stop()
    copy(data, backup)
    const own = await ground.startOwn()
    const copied = count()
    await until("leases after the backup", () => count() >= copied + 10, patience)
    await Promise.all(load.map(({ stop }) => stop()))
    await doomed.end()

    const leased = load.flatMap(({ leases }) => leases)
    const standing = await roles()
    const connections = new Map<string, Connection>()
    for (const { settings } of [kept, ...leased].filter((lease) => standing.has(lease.settings.user))) {
      connections.set(settings.user, await connected(settings))
    }
    const [early] = await ground.entries({ event: "agents.instance-enrolled" })
    const receipt = (await ground.operator.send({ method: "GET", path: `/v1/audit/receipts/${early!.id}` })).bytes
    const last = (await ground.entries({ session: doomed.id })).at(-1)!
    await ground.operator.send({ method: "GET", path: `/v1/audit/receipts/${last.id}` })
    const older = await (await fetch(`${ground.first.webUrl}/log/checkpoint`)).text()

    // Everything dies, and what comes back is the copy.
    const waiting = await Promise.all([ground.standby(ground.first), ground.standby(second)])
    await Promise.all([ground.first, second].map(({ child }) => child.kill("SIGKILL")))
    await own.stop()
    rmSync(data, { recursive: true })
    copy(backup, data)
    await ground.startOwn()
    const known = await ground.ours.query<{ role_name: string }>("select role_name from credentials.leases")
    const inBackup = new Set(known.rows.map(({ role_name }) => role_name))
    const orphans = [...standing].filter((role) => !inBackup.has(role))
    assert.ok(orphans.length >= 5, `${orphans.length} leases were issued after the backup`)
    const began = performance.now()
    const forked = await Promise.all(waiting.map((each) => each.serve()))

    // Taking away does not wait for the log.
    await Promise.all(orphans.map((role) => connections.get(role)!.lost))
    await until("no orphan", async () => (await roles()).isDisjointFrom(new Set(orphans)), patience)
    t.diagnostic(`${orphans.length} leases from after the backup gone ${ms(began)} after the servers' start`)
    for (const { settings } of leased.filter((lease) => orphans.includes(lease.settings.user))) {
      await assert.rejects(connected(settings), isLoginRefused)
    }
    assert.equal((await connections.get(kept.settings.user)!.query("select 1")).rowCount, 1)

    // Giving does, and every place where an operator looks says what to do.
    for (const server of forked) {
      const { status, text } = await ready(server)
      assert.equal(status, 503)
      assert.match(text, /The log was altered: it has \d+ entries, and \d+ were signed.*safeconduct audit rotate/)
    }
    const { origins: _origins, ...flags } = ground.configuration
    const found = await diagnose({ ...flags, opsAddress: new URL(forked[0]!.opsUrl).host }, {})
    assert.match(found.find(({ what }) => what === "a running server")!.found, /safeconduct audit rotate/)
    await assert.rejects(agents[0]!.transport.json({ method: "GET", path: "/v1/sessions", maxAttempts: 1 }))
    assert.equal((await entriesIn("audit.entries")) < (await sizeOf(older)), true)

    // The operator's turn.
    const rotation = { reason: "restored the backup of the story", closesWholeLog: false }
    const begun = await rotateLog(ground.configuration, rotation, silentLog)
    assert.equal(begun.origin, "example.org/log/2")
    await until(
      "word of the rotation",
      async () => /Restart this server/.test((await ready(forked[0]!)).text),
      patience,
    )
    await assert.rejects(rotateLog(ground.configuration, rotation, silentLog), { code: "log-not-forked" })
    await Promise.all(forked.map(({ child }) => child.kill("SIGTERM")))
    const servers = await Promise.all(forked.map(async (like) => (await ground.standby(like)).serve()))
    for (const server of servers) assert.deepEqual([(await ready(server)).status, server.logKey], [200, begun.vkey])

    // Leases are issued again; what ended since the backup is ended, what lived then lives on.
    const fresh = await agents[1]!.open({ purpose: "answer" })
    const lease = await fresh.lease("kb", { operation: "read" })
    await (await connected(lease.settings)).end()
    await fresh.end()
    const endings = async (id: string) => (await ground.operator.json<{ state: string }>(at(id))).state
    await until("the ledger to know what had ended", async () => (await endings(gone.id)) === "revoked", patience)
    assert.equal(await endings(kept.id), "live")
    await survivor.end()
    await connections.get(kept.settings.user)!.lost

    // Both logs verify; the first entry of the new one holds the checkpoint that an auditor may have kept of the old one.
    const [first] = await ground.entries({ event: "audit.log-begun" })
    const { before } = first!.leaf.data as { before: { signed: { size: number; checkpoint: string }; why: string } }
    assert.equal(first!.index, 0)
    assert.ok(before.signed.size >= (await sizeOf(older)))
    assert.equal(
      (await openCheckpoint(before.signed.checkpoint, parseNoteVerifier(ground.logKey))).size,
      before.signed.size,
    )
    const told = async () => {
      const events = ["credentials.orphan-removed", "credentials.orphan-journalled"]
      const entries = await Promise.all(events.map((event) => ground.entries({ event })))
      return new Set(entries.flat().map(({ leaf }) => leaf.data!["role"]))
    }
    await until("word of every orphan's end", async () => new Set(orphans).isSubsetOf(await told()), patience)
    const text = early!.text
    const again = (await ground.operator.send({ method: "GET", path: `/v1/audit/receipts/${early!.id}` })).bytes
    for (const proof of [receipt, again]) {
      assert.equal((await verifyReceipt(proof.toString(), Buffer.from(text), ground.logKey)).ok, true)
    }
    assert.deepEqual((await verifyLog(ground.logReader(servers[0]!), begun.vkey)).problems, [])
    assert.deepEqual((await verifyLog(closedLog(servers[0]!), ground.logKey)).problems, [])
    const codes = (await verifyLog(closedLog(servers[0]!), ground.logKey, { older })).problems.map(({ code }) => code)
    assert.deepEqual(codes, ["entries-dropped"])
  })

  const at = (lease: string) => ({ method: "GET", path: `/v1/credentials/leases/${lease}` }) as const
  const sizeOf = async (note: string) => (await openCheckpoint(note, parseNoteVerifier(ground.logKey))).size
  const entriesIn = async (table: string) =>
    (await ground.ours.query<{ n: number }>(`select count(*)::int as n from ${table}`)).rows[0]!.n
  /** The first log, where it is closed. */
  function closedLog({ webUrl }: Server): LogReader {
    const web = httpReader(`${webUrl}/log/1`)
    return {
      async read(path) {
        if (!path.startsWith("tile/entries")) return await web.read(path)
        return new Uint8Array((await ground.operator.send({ method: "GET", path: `/log/1/${path}` })).bytes)
      },
    }
  }
})

function ms(sinceMs: number): string {
  return `${Math.round(performance.now() - sinceMs)} ms`
}
