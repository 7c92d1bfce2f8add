import assert from "node:assert/strict"
import { spawn } from "node:child_process"
import { once } from "node:events"
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import process from "node:process"
import { createInterface } from "node:readline"
import { after, describe, test } from "node:test"
import { fileURLToPath } from "node:url"
import { type Log, refusalCode, removePostgres, silentLog } from "#kernel"
import { type Dev, dev } from "./dev.ts"
import { anyPorts, caller } from "./fixture.ts"

const folder = mkdtempSync(join(tmpdir(), "safeconduct-dev-"))
const project = join(folder, "project")
const path = join(project, "safeconduct.yaml")
mkdirSync(join(project, "policies"), { recursive: true })
const yaml = (description: string) =>
  `purposes:\n  answer:\n    description: ${description}\n    actions:\n      - { type: safeconduct_action, actions: ["tool:ask"], locations: [] }\n`
const good = (description: string) => `purposes:
  answer:
    description: ${description}
    actions:
      - { type: safeconduct_action, actions: ["tool:ask"], locations: [kb] }
resources:
  kb: { engine: postgres, host: 127.0.0.1, database: kb, tls: disable, operations: { read: { groupRole: r } } }
agents: { bot: { owner: me, purposes: [answer] } }
`
writeFileSync(path, good("One"))
writeFileSync(join(project, "policies", "bot.cedar"), '@id("bot") permit (principal, action, resource);')

const start = (log: Log = silentLog) => dev({ folder, flags: anyPorts, document: path, log })
const described = ({ rooms }: Dev) => rooms.sessions.purpose("answer")?.description
const applied = async ({ rooms }: Dev) =>
  (await rooms.audit.entries({ event: "policy.applied", limit: 256 })).entries.length

async function until(condition: () => Promise<boolean> | boolean): Promise<void> {
  for (const deadline = performance.now() + 8_000; !(await condition()); ) {
    assert.ok(performance.now() < deadline, "not within eight seconds")
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}

/** What must be the same after a restart. */
async function identityOf(server: Dev) {
  const { entries } = await server.rooms.audit.entries({ from: 0, limit: 5 })
  return {
    logKey: server.logKey,
    roots: server.rooms.agents.roots(),
    first: entries.map(({ id }) => id),
    jwks: server.rooms.sessions.jwks(),
  }
}

describe("dev", { timeout: 120_000 }, () => {
  after(async () => {
    await removePostgres(join(folder, "postgres"))
    rmSync(folder, { recursive: true, force: true })
  })
  let before: Awaited<ReturnType<typeof identityOf>>
  let size = 0
  let joinToken = ""

  test("starts from an empty folder, is ready, and hands out one token for the first operator", async () => {
    await using server = await start()
    assert.equal((await fetch(`${server.opsUrl}/readyz`)).status, 200)
    assert.deepEqual([described(server), await applied(server)], ["One", 1])
    assert.deepEqual(server.configuration.agentsUrl, server.agentsUrl)
    joinToken = server.operatorJoinToken!
    assert.match(joinToken, /^[\w-]{43}\.[\w-]{43}$/)
    before = await identityOf(server)
    size = (await server.rooms.audit.entries({ limit: 1 })).size
  })

  test("started again goes on with the same log, keys and operators, and applies nothing that is in force", async () => {
    await using server = await start()
    assert.deepEqual(await identityOf(server), before)
    assert.ok((await server.rooms.audit.entries({ limit: 1 })).size > size)
    assert.equal(await applied(server), 1)
    assert.equal(server.operatorJoinToken, undefined, "the first token can still be used")
    assert.equal(server.rooms.audit.fork, null)
  })

  test("refuses a folder that another one runs in, and leaves that one alone", async () => {
    await using server = await start()
    await assert.rejects(start(), { code: "folder-in-use" })
    assert.equal((await fetch(`${server.opsUrl}/readyz`)).status, 200)
  })

  test("applies its document when it changes; a broken one changes nothing and says where", async () => {
    const said: { code: string | null; message: string }[] = []
    const log: Log = {
      ...silentLog,
      error: (_message, fields) => {
        const error = fields?.["error"] as Error
        said.push({ code: refusalCode(error), message: error?.message })
      },
      with: () => log,
    }
    await using server = await start(log)
    writeFileSync(path, good("Two"))
    await until(() => described(server) === "Two")
    writeFileSync(path, "purposes: [")
    await until(() => said.length === 1)
    assert.match(said[0]!.message, /^safeconduct\.yaml:1:\d+: /)
    writeFileSync(path, yaml("Broken"))
    await until(() => said.length === 2)
    assert.deepEqual(
      [said[1]!.code, said[1]!.message.slice(0, 42)],
      ["policy-invalid", "safeconduct.yaml:5:71: purposes.answer.act"],
    )
    writeFileSync(join(project, "policies", "more.cedar"), "permit (")
    writeFileSync(path, good("Three"))
    await until(() => said.length === 3)
    assert.match(said[2]!.message, /^policies\/more\.cedar:1:\d+/)
    assert.equal(described(server), "Two")
    writeFileSync(join(project, "policies", "more.cedar"), '@id("more") forbid (principal, action, resource);')
    // Rooms take a version in one after the other.
    await until(() => described(server) === "Three" && server.rooms.policy.inForce().policies.length === 2)
    const count = await applied(server)
    writeFileSync(join(project, "unrelated.yml"), "a: 1")
    writeFileSync(path, good("Three"))
    rmSync(join(project, "policies", "more.cedar"))
    await until(() => server.rooms.policy.inForce().policies.length === 1)
    assert.equal(await applied(server), count + 1, "what did not change is no new version")
  })

  test("that cannot apply its document does not start, says why, and leaves nothing running", async () => {
    writeFileSync(path, "agents: { bot: { owner: 1 } }\n")
    await assert.rejects(start(), { code: "policy-invalid", message: /^safeconduct\.yaml:1:25: agents\.bot\.owner/ })
    writeFileSync(path, good("Four"))
    await using server = await start()
    assert.equal(described(server), "Four")
  })

  test("killed in the middle is taken up by the next: nothing that was answered is lost, and the log is whole", async () => {
    const child = spawn(
      process.execPath,
      ["--conditions=source", "--input-type=module", "--eval", CHILD, folder, path],
      {
        cwd: fileURLToPath(new URL("../../", import.meta.url)),
        stdio: ["ignore", "pipe", "inherit"],
      },
    )
    const [line] = (await once(createInterface(child.stdout), "line")) as [string]
    child.kill("SIGKILL")
    await once(child, "exit")
    const { entry } = JSON.parse(line) as { entry: string }
    await using server = await start()
    assert.deepEqual(await identityOf(server), before)
    assert.equal((await server.rooms.audit.entry(entry)).leaf.event, "agents.suspended")
    assert.match(await server.rooms.audit.receipt(entry), /^c2sp\.org\/tlog-proof/)
    assert.equal(server.rooms.agents.agent("bot")?.state, "suspended")
    assert.equal(server.rooms.audit.fork, null)
    using admin = await caller(server, { kind: "operator", name: "admin", roles: ["admin"] })
    assert.equal((await admin.call("DELETE", "/v1/agents/bot/suspension")).status, 200)
  })
})

const CHILD = `
  import { dev, silentLog } from "#programs"
  const [folder, document] = process.argv.slice(1)
  const flags = ${JSON.stringify(anyPorts)}
  const { rooms } = await dev({ folder, document, flags, log: silentLog })
  const { entries } = await rooms.audit.commit(rooms.agents.suspend("bot", "test", "server"))
  console.log(JSON.stringify({ entry: entries[0].id }))
  for (;;) await rooms.audit.commit({ entries: () => [{ event: "policy.applied", by: "server" }] })
`
