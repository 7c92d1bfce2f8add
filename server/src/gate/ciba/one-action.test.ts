import assert from "node:assert/strict"
import { readFileSync } from "node:fs"
import { test } from "node:test"
import { z } from "zod"
import { oneActionDetails } from "#agents"

test("the published JSON Schema of one action is the one that is enforced", () => {
  const file = new URL("../../../../contract/safeconduct-one-action.schema.json", import.meta.url)
  const title = "RFC 9396 authorization details of the type safeconduct_one_action"
  assert.deepEqual(JSON.parse(readFileSync(file, "utf8")), { title, ...z.toJSONSchema(oneActionDetails) })
})
