import assert from "node:assert/strict"
import { test } from "node:test"
import { refusalCode } from "#kernel"
import { describeResource, labelsOf } from "./described.ts"
import { parsePostgres } from "./engines/postgres/part.ts"

const shop = {
  engine: "postgres",
  host: "127.0.0.1",
  database: "shop",
  tls: "disable",
  description: "The shop's database",
  operations: {
    "read-orders": { groupRole: "orders_read", description: "read your orders", labels: ["confidential"] },
    write: { groupRole: "orders_write" },
  },
}

test("a resource says of itself and its operations what people are shown, and what a session has seen by them", () => {
  const part = parsePostgres(shop, "resources.shop")
  assert.deepEqual(describeResource(part), {
    description: "The shop's database",
    operations: { "read-orders": { description: "read your orders" }, write: { description: undefined } },
  })
  assert.deepEqual(labelsOf(part, "read-orders"), ["confidential"])
  assert.deepEqual(labelsOf(part, "write"), [])
  assert.deepEqual(labelsOf(part, "toString"), [])
  assert.deepEqual(labelsOf(undefined, "write"), [])
})

test("a label that no policy can name is refused", () => {
  const operations = { read: { groupRole: "r", labels: ["Not A Label"] } }
  assert.throws(
    () => parsePostgres({ ...shop, operations }, "resources.shop"),
    (error: { detail?: { path?: string } }) =>
      refusalCode(error) === "policy-invalid" && error.detail?.path === "resources.shop.operations.read.labels.0",
  )
})
