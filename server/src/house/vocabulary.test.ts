import assert from "node:assert/strict"
import { test } from "node:test"
import { eventsByRoom } from "./assembled.ts"
import { floors } from "./floor-plan.ts"
import { readFile, readTree } from "./tree.ts"
import * as check from "./vocabulary.ts"

const tree = readTree()
const rooms = floors.filter((floor) => tree.some(({ path }) => path.startsWith(`server/src/${floor}/`)))

test("a URL begins with the name of the room that owns its noun", () => {
  assert.deepEqual(check.checkUrls(readFile("contract/routes.txt").text), [])
  assert.match(check.checkUrls("GET  /v1/sessions  a\nGET  /v1/grants  a")[0]!, /routes\.txt:2 says grants/)
})

test("a migration changes only the schema of its own room", () => {
  assert.deepEqual(
    check.checkSchemas(tree.filter(({ path }) => path.endsWith(".sql") && path.startsWith("server/"))),
    [],
  )
  const plant = (path: string, text: string) => check.checkSchemas([{ path, text }])
  const path = "server/src/audit/migrations/0002-a.sql"
  assert.match(plant(path, "create schema logs;")[0]!, /touches schema logs/)
  assert.match(plant(path, "alter table sessions.sessions add x int;")[0]!, /touches schema sessions/)
  assert.match(plant(path, "create table if not exists kernel.a ();")[0]!, /touches schema kernel/)
  assert.match(plant("server/src/audit/migrations/first.sql", "")[0]!, /is not named like/)
  assert.deepEqual(plant(path, "-- create schema logs\ncreate table audit.a (b text references audit.c);"), [])
})

test("an event is named after the room that declares it", () => {
  assert.deepEqual(
    Object.entries(eventsByRoom).flatMap(([room, events]) => check.checkEvents(room, events)),
    [],
  )
  assert.equal(check.checkEvents("audit", { "log.read": "Somebody read." }).length, 1)
  assert.equal(check.checkEvents("audit", { "audit.entryRead": "Somebody read." }).length, 1)
  assert.equal(check.checkEvents("audit", { "audit.read": "" }).length, 1)
})

test("every room that has an events.ts is assembled", () => {
  const declared = tree
    .map(({ path }) => /^server\/src\/(\w+)\/events\.ts$/.exec(path)?.[1])
    .filter((room) => room !== undefined)
  assert.deepEqual(Object.keys(eventsByRoom).sort(), declared.sort())
})

test("Cedar's namespaces are rooms", () => {
  assert.deepEqual(check.checkNamespaces(tree.filter(({ path }) => path.endsWith("/schema.cedarschema"))), [])
  const planted = [{ path: "a.cedarschema", text: "namespace sessions {\n}\nnamespace tools {\n}" }]
  assert.match(check.checkNamespaces(planted)[0]!, /says tools/)
})

test("every room has its chapter, and every chapter its room", () => {
  const chapters = tree.map(({ path }) => path).filter((path) => /^docs\/reference\/[^/]+\.md$/.test(path))
  assert.deepEqual(check.checkChapters(chapters, rooms), [])
  assert.equal(check.checkChapters(["docs/reference/vault.md"], ["audit"]).length, 2)
})
