import assert from "node:assert/strict"
import { test } from "node:test"
import type { Database } from "#kernel"
import { testKeyring } from "#testing"
import { rootContext } from "./desks.ts"
import { labDatabase } from "./engines/postgres/fixture.ts"
import { engines, resourceProblems } from "./index.ts"

/** Our own database, of which only the accounts that we hold are read. */
const holding = (roots: object[]) => ({ query: async () => roots }) as unknown as Database

test("a resource's mapping that somebody changed is a problem before anybody asks for a credential", async () => {
  const lab = await labDatabase(18)
  await using dba = await lab.dba()
  const keyring = testKeyring()
  const { username, password } = lab.root
  const sealed = keyring.seal(rootContext("kb"), password.reveal())
  const operations = { mine: { groupRole: lab.spec.groups[0]!.role, bindsUser: true } }
  const { engine, host, port, database, tls } = lab.part
  const resources = { kb: { engine, host, port, database, tls, operations } }
  const look = (roots: object[], from: object = resources) =>
    resourceProblems({ database: holding(roots), keyring, kinds: engines }, from)
  const held = [{ resource: "kb", username, sealed, sealedPending: null }]
  const mapping = async () => (await look(held)).problems.join(" ").match(/The function safeconduct\S+ is not the one/)
  assert.equal(await mapping(), null)
  await dba.query("alter function safeconduct.subject() immutable")
  assert.ok(await mapping())
  await dba.query("alter function safeconduct.subject() stable")
  assert.deepEqual(await look([]), { names: ["kb"], problems: ["kb: no account is set"] })
  const [away] = (await look(held, { kb: { ...resources.kb, port: 1 } })).problems
  assert.match(away!, /^kb: Could not/)
  assert.doesNotMatch(away!, new RegExp(password.reveal()))
  assert.deepEqual(await look(held, {}), { names: [], problems: [] })
})
