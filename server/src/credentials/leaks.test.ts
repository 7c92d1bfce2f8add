import assert from "node:assert/strict"
import { readFile } from "node:fs/promises"
import { join } from "node:path"
import { test } from "node:test"
import { inspect } from "node:util"
import { createLog, newId, Secret } from "#kernel"
import { testPostgres } from "#testing"
import { ResourceError } from "./engine.ts"
import { scramVerifier } from "./engines/postgres/scram.ts"
import { by, faulty, intentionOf, type TestDeployment, testDeployment } from "./fixture.ts"

/** Everything that was said: our log, our refusals, the leaves of the audit log, and the resource's own log. */
type Said = { log: string; refusals: string; leaves: string; resource: string }

/** Runs what makes, changes and loses passwords, well and badly, at a resource that logs every statement. */
async function play(at: TestDeployment): Promise<{ said: Said; passwords: string[] }> {
  const cluster = await testPostgres(18)
  const resourceLog = join(cluster.folder, "postgres.log")
  const resourceBefore = (await readFile(resourceLog, "utf8")).length
  await using dba = await at.lab.dba()
  for (const [name, value] of Object.entries({ log_statement: "all", log_min_error_statement: "debug5" })) {
    await dba.query(`alter database ${at.lab.database} set ${name} = '${value}'`)
  }

  const lines: string[] = []
  const refusals: string[] = []
  const passwords = [at.lab.root.password.reveal()]
  const refused = async (work: Promise<unknown>) => {
    const error = await work.then(
      () => assert.fail("this had to fail"),
      (reason: unknown) => reason as Error & { detail?: unknown },
    )
    refusals.push(
      error.message,
      JSON.stringify(error),
      JSON.stringify(error.detail) ?? "",
      inspect(error, { depth: 9 }),
    )
  }
  let breaks = false
  const engines = faulty((engine) => ({
    async issue(order) {
      const made = await engine.issue(order)
      passwords.push(`${made.credential.reveal()["password"]}`)
      return made
    },
    async rotateRoot(next) {
      passwords.push(next.reveal())
      await engine.rotateRoot(next)
      if (breaks) throw new ResourceError("the server was killed here", null, true)
    },
  }))
  const log = createLog({ level: "trace", destination: { write: (line) => void lines.push(line) } })
  const server = await at.serve({ engines, log })
  const { credentials } = server
  await server.audit.commit(credentials.replace({ kb: at.lab.part }, by))
  await server.epoch.refresh()

  const root = at.lab.root
  passwords.push("wrong-and-still-a-secret")
  await refused(credentials.configure("kb", { ...root, password: new Secret("wrong-and-still-a-secret") }, by))
  await dba.query(`alter role ${root.username} set default_transaction_read_only = on`)
  await refused(credentials.configure("kb", root, by))
  await dba.query(`alter role ${root.username} reset default_transaction_read_only`)
  breaks = true
  await refused(credentials.configure("kb", root, by))
  breaks = false
  await server[Symbol.asyncDispose]()

  // The next server mends the broken change.
  const next = await at.serve({ engines, log })
  const intention = intentionOf({ idempotencyKey: "k" })
  const issued = await next.lease(intention)
  await next.lease(intention)
  await (await at.connect(issued)).query("select 1 from faq")
  await next.credentials.renew(issued.lease.id, new Date(Date.now() + 90_000))
  const { lease: taken } = await next.intend()
  await dba.query(`create role ${taken.roleName}`)
  await refused(next.credentials.issue(taken))
  const group = at.lab.spec.groups[0]!.role
  await dba.query(`alter role ${group} rename to ${group}_away`)
  await refused(next.lease())
  await dba.query(`alter role ${group}_away rename to ${group}`)
  await next.credentials.revokeSession(issued.lease.session, "session-ended")
  await next.credentials.settled(issued.lease.id)
  await refused(at.connect(issued))
  await refused(next.credentials.revoke(newId("lease"), "released"))
  await next[Symbol.asyncDispose]()

  const leaves = await at.store.owner.query<{ leaf: Buffer }>("select leaf from audit.entries")
  return {
    passwords,
    said: {
      log: lines.join(""),
      refusals: refusals.join("\n"),
      leaves: leaves.map(({ leaf }) => leaf.toString()).join("\n"),
      resource: (await readFile(resourceLog, "utf8")).slice(resourceBefore),
    },
  }
}

const VERIFIER = /SCRAM-SHA-256\$(\d+):([A-Za-z0-9+/=]+)\$[A-Za-z0-9+/=]+:[A-Za-z0-9+/=]+/g

test("no password and no verifier is ever said, except verifiers in the statements that a resource logs", async () => {
  await using at = await testDeployment({ isConfigured: false })
  const { said, passwords } = await play(at)
  assert.ok(passwords.length >= 5)
  for (const [where, text] of Object.entries(said)) {
    assert.ok(text.length > 500, `${where} is nearly empty`)
    for (const password of passwords) assert.equal(text.includes(password), false, `a password stands in ${where}`)
    if (where !== "resource") assert.doesNotMatch(text, /SCRAM-SHA-256\$/, where)
  }
  // The log was really on: it shows the statements, and those that failed.
  for (const expected of [
    /statement: (set local role [^;]+;\s*)?create role/,
    /statement: alter role current_user/,
    /STATEMENT: {2}(set local role [^;]+;\s*)?create role/,
  ]) {
    assert.match(said.resource, expected)
  }

  // Passwords of accounts that were never made are known to nobody: no word that was said may open any verifier.
  const words = new Set(
    Object.values(said)
      .join("\n")
      .match(/(?<![\w-])[\w-]{43}(?![\w-])/g),
  )
  const verifiers = new Map([...said.resource.matchAll(VERIFIER)].map((match) => [match[0], match]))
  assert.ok(verifiers.size >= 5)
  for (const [verifier, [, iterations, salt]] of verifiers) {
    const options = { iterations: Number(iterations), salt: Buffer.from(salt!, "base64") }
    for (const word of words) assert.notEqual(await scramVerifier(new Secret(word), options), verifier)
  }
})
