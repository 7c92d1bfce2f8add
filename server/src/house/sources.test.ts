import assert from "node:assert/strict"
import { test } from "node:test"
import { type Parsed, parse } from "./parse.ts"
import * as check from "./sources.ts"
import { readSources } from "./tree.ts"

const files = readSources()
const tree = parse(files)
const plant = (path: string, text: string): Parsed[] => parse([{ path, text }])

test("no source file has more than 300 lines", () => {
  assert.deepEqual(check.checkLength(tree), [])
  assert.match(check.checkLength(plant("sdk/src/a.ts", "\n".repeat(301)))[0]!, /301 lines/)
  assert.deepEqual(check.checkLength(plant("sdk/src/a.ts", "\n".repeat(300))), [])
})

test("nothing has the type any", () => {
  assert.deepEqual(check.checkAny(tree, files), [])
  const any = (text: string) => check.checkAny(plant("sdk/src/a.ts", text), [{ path: "sdk/src/a.ts", text }])
  assert.match(any("const a: any = 1")[0]!, /:1 has the type any/)
  assert.match(any("\nconst a = [] as Array<any>")[0]!, /:2 has the type any/)
  assert.deepEqual(any("// any\nconst any = 'any'"), [])
  const ignored = "// biome-ignore lint/suspicious/noExplicitAny: the driver's own type\nconst a: any = 1"
  assert.deepEqual(any(ignored), [])
  assert.equal(any(ignored.replace("the driver's own type", "")).length, 1)
})

test("every exported thing is documented", () => {
  assert.deepEqual(check.checkDocumented(tree), [])
  assert.match(check.checkDocumented(plant("sdk/src/a.ts", "export const a = 1"))[0]!, /exports a without/)
  assert.match(check.checkDocumented(plant("sdk/src/a.ts", "// note\nexport type A = 1"))[0]!, /exports A without/)
  assert.match(check.checkDocumented(plant("sdk/src/a.ts", "/** of b */\nconst b = 1\nexport class A {}"))[0]!, /:3 /)
  assert.deepEqual(
    check.checkDocumented(plant("sdk/src/a.ts", "/** One. */\nexport const a = 1\nexport * from './b.ts'")),
    [],
  )
})

test("every test runs, and a skipped one says why", () => {
  assert.deepEqual(check.checkTestsRun(tree), [])
  const bad = ["test.only('x')", "test('x', { only: true })", "test.skip('x')", "test('x', { skip: true })", "t.skip()"]
  for (const text of bad) assert.equal(check.checkTestsRun(plant("sdk/src/a.test.ts", text)).length, 1, text)
  assert.deepEqual(check.checkTestsRun(plant("sdk/src/a.test.ts", "test('x', { skip: 'needs PostgreSQL 15' })")), [])
})

test("no import goes in a circle", () => {
  assert.deepEqual(check.findCycles(tree), [])
  const circle = [
    { path: "server/src/gate/a.ts", text: `import { b } from "./b.ts"` },
    { path: "server/src/gate/b.ts", text: `import { c } from "#audit"` },
    { path: "server/src/audit/index.ts", text: `export * from "../gate/a.ts"` },
  ]
  assert.match(check.findCycles(parse(circle))[0]!, /a\.ts → .*b\.ts → .*index\.ts → .*a\.ts/)
  const type = { path: "server/src/audit/index.ts", text: `import type { A } from "../gate/a.ts"` }
  assert.deepEqual(check.findCycles(parse([...circle.slice(0, 2), type])), [])
})

test("SQL stands in store.ts, migrations and engines only", () => {
  assert.deepEqual(check.checkSqlStaysHome(tree), [])
  const sql = [
    "select * from sessions.sessions where id = $1",
    "SELECT 1 FROM x",
    "\n  insert into a values (1)",
    "update a.b set c = 1",
    "delete from a",
    "with x as (select 1) select * from x",
    "create role sc_1",
    "grant kb_read to sc_1",
    "set role reader",
  ]
  for (const text of sql) {
    const literal = `const q = \`${text}\``
    assert.equal(check.checkSqlStaysHome(plant("server/src/gate/admit.ts", literal)).length, 1, text)
    assert.deepEqual(check.checkSqlStaysHome(plant("server/src/gate/store.ts", literal)), [])
    assert.deepEqual(check.checkSqlStaysHome(plant("server/src/credentials/engines/postgres.ts", literal)), [])
    assert.deepEqual(check.checkSqlStaysHome(plant("server/src/gate/admit.test.ts", literal)), [])
  }
  const prose = ["Select a purpose from the list.", "update the file", "Grant it to nobody", "delete", "drop by"]
  for (const text of prose) {
    assert.deepEqual(check.checkSqlStaysHome(plant("server/src/gate/admit.ts", `const q = "${text}"`)), [], text)
  }
})

test("a secret is revealed in engines, where it is sealed, and where it leaves for its holder", () => {
  // A line more is a line to argue about.
  const places = [
    "cli/src/commands/operators.ts",
    "cli/src/commands/postgres.ts",
    "server/src/agents/routes.ts",
    "server/src/approvals/backchannel/backchannel.ts",
    "server/src/approvals/channels/email.ts",
    "server/src/approvals/channels/push.ts",
    "server/src/approvals/channels/secrets.ts",
    "server/src/approvals/channels/sms.ts",
    "server/src/approvals/channels/webhook.ts",
    "server/src/approvals/ways/open.ts",
    "server/src/credentials/engines/postgres/connect.ts",
    "server/src/credentials/engines/postgres/issue.ts",
    "server/src/credentials/engines/postgres/look-up.ts",
    "server/src/credentials/engines/postgres/scram.ts",
    "server/src/credentials/issue.ts",
    "server/src/credentials/roots.ts",
    "server/src/gate/ciba/pings.ts",
    "server/src/gate/routes.ts",
    "server/src/programs/dev.ts",
    "server/src/sessions/providers/ciba/ask.ts",
    "server/src/sessions/providers/ciba/channel.ts",
    "server/src/sessions/providers/ciba/poll.ts",
    "server/src/sessions/providers/client.ts",
    "server/src/sessions/providers/secrets.ts",
  ]
  const published = tree.filter(({ path }) => /^(cli|provider|sdk|server|tlog)\//.test(path))
  assert.deepEqual(check.findReveals(published), places)
  assert.deepEqual(check.findReveals(plant("server/src/gate/a.ts", "log(password.reveal())")), ["server/src/gate/a.ts"])
})
