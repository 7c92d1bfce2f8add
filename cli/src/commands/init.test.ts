import assert from "node:assert/strict"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { test } from "node:test"
import { readDocument } from "@safeconduct/server/programs"
import { workplace } from "../testing/run.ts"
import { STARTER } from "./init.ts"

test("init writes a configuration that reads, and never over one that is there", async () => {
  using place = workplace()
  const first = await place.run(["init"])
  assert.equal(first.code, 0, first.stderr)
  for (const [path, text] of Object.entries(STARTER)) {
    assert.equal(readFileSync(join(place.folder, path), "utf8"), text)
  }
  const document = readDocument(join(place.folder, "safeconduct.yaml"))
  assert.deepEqual(Object.keys(document.agents as object), ["support-bot"])
  assert.equal(document.policies.length, 1)

  const second = await place.run(["init"])
  assert.equal(second.code, 1)
  assert.match(second.stderr, /safeconduct\.yaml is there already/)
})
