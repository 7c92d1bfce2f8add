import assert from "node:assert/strict"
import { mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { test } from "node:test"
import { fileURLToPath } from "node:url"
import { workplace } from "../testing/run.ts"

const examples = fileURLToPath(new URL("../../../examples/", import.meta.url))

const configuration = `
purposes:
  answer:
    description: Answer
    actions: [{ type: safeconduct_action, actions: ["tool:ask"], locations: [kb] }]
resources:
  kb: { engine: postgres, host: 127.0.0.1, database: kb, tls: disable, operations: { read: { groupRole: r } } }
agents:
  bot:
    owner: owner@example.org
    purposes: [answer]
    ceiling: [{ type: safeconduct_action, actions: ["tool:ask"], locations: [kb] }]
`
const permit = '@id("bot-asks") permit (principal == agents::Agent::"bot", action == policy::Action::"tool", resource);'
const one = (expect: string, more = "") =>
  `cases:\n  - { title: the bot asks, agent: bot, purpose: answer, action: tool, operation: ask, resource: kb, expect: ${expect}${more} }\n`
const question = ["--agent", "bot", "--purpose", "answer", "--action", "tool", "--operation", "ask", "--resource", "kb"]

function place(cases?: string) {
  const made = workplace()
  mkdirSync(join(made.folder, "policies"))
  writeFileSync(join(made.folder, "safeconduct.yaml"), configuration)
  writeFileSync(join(made.folder, "policies/bot.cedar"), permit)
  if (cases !== undefined) writeFileSync(join(made.folder, "policies/bot.test.yaml"), cases)
  return made
}

test("the cases beside a configuration are decided without a server: 0 when all pass, 1 when one does not", async () => {
  using good = place(one("allow", ", policies: [bot-asks]"))
  const passed = await good.run(["policy", "test"])
  assert.deepEqual([passed.code, passed.stdout, passed.stderr], [0, "", "1 passed, 0 failed.\n"])
  using bad = place(one("deny"))
  const failed = await bad.run(["policy", "test"])
  assert.equal(failed.code, 1)
  assert.equal(failed.stdout, "policies/bot.test.yaml:2: the bot asks\n  verdict: expected deny, is allow\n")
  const { code, rows } = await bad.run(["policy", "test", "--json"])
  assert.deepEqual([code, rows.map(({ title, isPassed }) => [title, isPassed])], [1, [["the bot asks", false]]])
})

test("a misspelt member, a missing file, and no case at all are mistakes", async () => {
  using misspelt = place(one("allow", ", polices: []"))
  const { code, stderr } = await misspelt.run(["policy", "test"])
  assert.equal(code, 2)
  assert.match(stderr, /policies\/bot\.test\.yaml|bot\.test\.yaml:2:\d+: .*polices/)
  using empty = place()
  assert.equal((await empty.run(["policy", "test"])).code, 2)
  assert.equal((await empty.run(["policy", "test", "nowhere.yaml"])).code, 2)
  using blank = place("")
  assert.match((await blank.run(["policy", "test"])).stderr, /bot\.test\.yaml: it is empty/)
})

test("an explanation off a file shows the policy that decides, or what else does", async () => {
  using there = place()
  const explain = ["policy", "explain", "--config", "safeconduct.yaml"]
  const allowed = await there.run([...explain, ...question])
  assert.equal(allowed.code, 0)
  assert.match(allowed.stdout, /^allow\. /)
  assert.match(allowed.stdout, /bot-asks \(policies\/bot\.cedar:1\)\n@id\("bot-asks"\) permit/)
  const { rows } = await there.run([...explain, ...question, "--operation", "pay", "--json"])
  assert.deepEqual([rows[0]!["verdict"], rows[0]!["by"]], ["deny", "ceiling"])
  assert.equal((await there.run([...explain, "--agent", "bot"])).code, 2)
  assert.equal((await there.run([...explain, ...question, "--action", "fly"])).code, 2)
})

test("a question and what else would say it are not mixed", async () => {
  using there = place()
  const { code, stderr } = await there.run(["policy", "explain", "--question", "question.json", "--agent", "bot"])
  assert.equal(code, 2)
  assert.match(stderr, /with --config alone/)
})

for (const [example, count] of [
  ["1-read-only", 4],
  ["2-personalized", 7],
  ["3-privileged", 12],
] as const) {
  test(`the own cases of example ${example} pass`, async () => {
    using anywhere = workplace()
    const file = join(examples, example, "safeconduct.yaml")
    const { code, stderr } = await anywhere.run(["policy", "test", "--config", file])
    assert.deepEqual([code, stderr], [0, `${count} passed, 0 failed.\n`])
  })
}
