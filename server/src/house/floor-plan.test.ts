import assert from "node:assert/strict"
import { readdirSync } from "node:fs"
import { test } from "node:test"
import { checkFloorPlan, checkPurity, floors } from "./floor-plan.ts"
import { type Parsed, parse } from "./parse.ts"
import { readSources, repositoryRoot } from "./tree.ts"

const tree = parse(readSources())

test("a room imports only from rooms beneath it, through their doors", () => {
  assert.deepEqual(checkFloorPlan(tree), [])
})

test("decide, question and explain touch neither the world nor the time", () => {
  assert.deepEqual(checkPurity(tree), [])
})

test("every folder of the server is a room, the tests' helpers or the house", () => {
  const folders = readdirSync(`${repositoryRoot}server/src`, { withFileTypes: true }).filter((each) =>
    each.isDirectory(),
  )
  const unknown = folders.map(({ name }) => name).filter((name) => ![...floors, "house", "testing"].includes(name))
  assert.deepEqual(unknown, [])
})

/** What the checker says of one planted file. */
function planted(path: string, text: string): string[] {
  return checkFloorPlan(parse([{ path, text }]))
}

const violations: [title: string, path: string, text: string, says: RegExp][] = [
  ["a room above", "server/src/audit/log.ts", `import { act } from "#gate"`, /stands above audit/],
  [
    "a room above, for a type",
    "server/src/policy/a.ts",
    `import type { Lease } from "#credentials"`,
    /stands above policy/,
  ],
  ["a room above, re-exported", "server/src/kernel/index.ts", `export * from "#audit"`, /stands above kernel/],
  [
    "a room above, in an import type",
    "server/src/kernel/a.ts",
    `type A = import("#audit").Audit`,
    /stands above kernel/,
  ],
  [
    "a neighbour past its door",
    "server/src/gate/a.ts",
    `import { rows } from "../sessions/store.ts"`,
    /leaves its room/,
  ],
  [
    "a neighbour's door by path",
    "server/src/gate/a.ts",
    `import { open } from "../sessions/index.ts"`,
    /leaves its room/,
  ],
  ["its own door", "server/src/gate/a.ts", `import { admit } from "#gate"`, /own door/],
  ["a dynamic import", "server/src/gate/a.ts", `const fs = await import("node:fs")`, /dynamically/],
  ["a computed dynamic import", "server/src/gate/a.ts", "const m = await import(name)", /dynamically/],
  ["a dynamic import in the command", "cli/src/a.ts", `const a = await import("./b.ts")`, /dynamically/],
  ["an unknown door", "server/src/gate/a.ts", `import { x } from "#helpers"`, /no door/],
  ["the tests' helpers", "server/src/gate/a.ts", `import { x } from "#testing"`, /outside a test/],
  ["an unknown room", "server/src/utils/a.ts", "export {}", /stands in no room/],
  ["no room at all", "server/src/main.ts", "export {}", /stands in no room/],
  [
    "the SDK, from the server",
    "server/src/gate/a.ts",
    `import { connect } from "@safeconduct/sdk"`,
    /above the server/,
  ],
  ["the server, from the SDK", "sdk/src/a.ts", `import { dev } from "@safeconduct/server/programs"`, /installed alone/],
  ["the SDK, from the provider", "provider/src/a.ts", `import { connect } from "@safeconduct/sdk"`, /installed alone/],
  [
    "the server's files, from the CLI",
    "cli/src/a.ts",
    `import { a } from "../../server/src/api/a.ts"`,
    /leaves its package/,
  ],
  ["a dependency of tlog", "tlog/src/a.ts", `import { z } from "zod"`, /no dependency/],
  ["no extension", "sdk/src/a.ts", `import { a } from "./b"`, /without its extension/],
]
for (const [title, path, text, says] of violations) {
  test(`the floor plan refuses ${title}`, () => assert.match(planted(path, text).join("\n"), says))
}

test("the floor plan allows what it should", () => {
  assert.deepEqual(planted("server/src/gate/a.ts", `import { x } from "#kernel"\nimport { y } from "./b.ts"`), [])
  assert.deepEqual(planted("server/src/gate/a.test.ts", `import { x } from "#testing"`), [])
  assert.deepEqual(planted("server/src/audit/a.ts", `// import { act } from "#gate"\nconst a = 'import "#gate"'`), [])
})

test("a pure file may not reach the clock, the network or a table through its neighbours", () => {
  const purity = (...files: [string, string][]): string =>
    checkPurity(
      parse(files.map(([name, text]): { path: string; text: string } => ({ path: `server/src/policy/${name}`, text }))),
    ).join("\n")
  const reading = `import { readFileSync } from "node:fs"\nconst a = readFileSync(`
  assert.match(purity(["decide.ts", `${reading}path)`]), /imports node:fs/)
  assert.equal(purity(["decide.ts", `${reading}new URL("./schema.cedarschema", import.meta.url))`]), "")
  assert.match(purity(["explain.ts", "const now = Date.now()"]), /calls Date.now/)
  assert.match(purity(["explain.ts", "const now = new Date()"]), /calls new Date/)
  assert.match(
    purity(["decide.ts", `import { a } from "./slice.ts"`], ["slice.ts", `import pg from "pg"`]),
    /imports pg/,
  )
  assert.match(
    purity(["question.ts", `import { a } from "./store.ts"`], ["store.ts", "export const a = 1"]),
    /no table/,
  )
  assert.equal(purity(["decide.ts", `import type { A } from "./store.ts"`], ["store.ts", "export type A = 1"]), "")
})

test("the parser reports every file it was given", () => {
  const paths = (files: readonly Parsed[]) => files.map(({ path }) => path)
  assert.deepEqual(paths(tree), paths(parse(readSources())))
  assert.ok(tree.length > 20)
})
