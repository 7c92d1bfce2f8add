import assert from "node:assert/strict"
import { test } from "node:test"
import { type Refusal, refusalCode, Secret, silentLog } from "#kernel"
import { operationOf } from "../../described.ts"
import { by, intentionOf, testDeployment } from "../../fixture.ts"
import { resourceProblems } from "../../problems.ts"
import { engines } from "../index.ts"
import { tools } from "./index.ts"

const hr = {
  engine: "tools",
  description: "What the HR agent can do",
  operations: {
    "look-up": { description: "look somebody up" },
    offboard: {
      description: "end somebody's employment",
      elevated: "people",
      irreversible: true,
      card: { en: "Offboard {employee}", "de-CH": "Austritt von {employee}" },
    },
  },
}
const refused = (code: string) => (error: unknown) => refusalCode(error) === code

test("a tool is described as it is configured, and what is not said is the least", () => {
  const part = tools.parse(hr, "resources.hr")
  assert.deepEqual(operationOf(part, "offboard"), {
    description: "end somebody's employment",
    labels: [],
    elevated: "people",
    irreversible: true,
    card: hr.operations.offboard.card,
  })
  const plain = { description: "look somebody up", labels: [], elevated: "", irreversible: false, card: {} }
  assert.deepEqual(operationOf(part, "look-up"), plain)
  for (const name of ["offboard-all", "toString", ""]) assert.equal(operationOf(part, name), null)
})

const mistakes: [title: string, change: object, path: string][] = [
  ["no tool", { operations: {} }, "operations"],
  ["a name that no action can have", { operations: { "off board": {} } }, "operations.off board"],
  ["an elevation that policy does not know", { operations: { a: { elevated: "fun" } } }, "operations.a.elevated"],
  ["a language that is none", { operations: { a: { card: { English: "A" } } } }, "operations.a.card.English"],
  ["a brace that is no argument", { operations: { a: { card: { en: "A {}" } } } }, "operations.a.card.en"],
  ["a line break on a card", { operations: { a: { card: { en: "A\nB" } } } }, "operations.a.card.en"],
  ["a long card", { operations: { a: { card: { en: "a".repeat(201) } } } }, "operations.a.card.en"],
  ["limits: nothing is ever open there", { limits: { leases: 5 } }, ""],
  ["an account's right", { operations: { a: { groupRole: "hr" } } }, "operations.a"],
]
for (const [title, change, path] of mistakes) {
  test(`a resource of tools with ${title} is refused with its place`, () => {
    assert.throws(
      () => tools.parse({ ...hr, ...change }, "resources.hr"),
      (error: Refusal) =>
        error.code === "policy-invalid" && error.detail?.["path"] === ["resources.hr", path].filter(Boolean).join("."),
    )
  })
}

test("no account is held at tools and no credential made: neither is asked for, nor missed", async () => {
  await using at = await testDeployment()
  const server = await at.serve()
  const hrPart = server.credentials.parse({ hr })["hr"]!
  await server.audit.commit(server.credentials.replace({ kb: at.lab.part, hr: hrPart }, by))
  await server.epoch.refresh()
  const root = { username: "root", password: new Secret("x") }
  await assert.rejects(server.credentials.configure("hr", root, by), refused("resource-unknown"))
  const action = { ...intentionOf().action, resource: "hr", operation: "offboard" }
  await assert.rejects(server.intend({ action }), refused("resource-unknown"))
  assert.deepEqual(await server.credentials.leases({}), [])
  await server.credentials.reconcile()
  const { database, keyring } = { database: at.store.database, keyring: {} as never }
  assert.deepEqual(await resourceProblems({ database, keyring, kinds: engines }, { hr }), {
    names: ["hr"],
    problems: [],
  })
  assert.throws(() => tools.open({ name: "hr", part: hrPart }, root, silentLog), refused("resource-unknown"))
  await server.lease()
})
