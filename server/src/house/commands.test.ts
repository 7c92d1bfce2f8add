import assert from "node:assert/strict"
import { test } from "node:test"
import { checkSafeconductCommands, readCommands } from "./commands.ts"
import { readTree } from "./tree.ts"

test("every safeconduct command that a document names exists", async () => {
  const commands = await readCommands()
  assert.ok("postgres" in commands["credentials"]!)
  const documents = readTree().filter(({ path }) => /\.(md|yaml|sql)$/.test(path))
  assert.deepEqual(checkSafeconductCommands(documents, commands), [])

  const plant = (text: string) => checkSafeconductCommands([{ path: "a.md", text }], commands)
  assert.match(plant("npx safeconduct vault list")[0]!, /a\.md:1 names "safeconduct vault list"/)
  assert.match(plant("`safeconduct agents shoot support-bot`")[0]!, /agents shoot/)
  assert.match(plant("x | npx safeconduct credentials postgres brew kb")[0]!, /postgres brew/)
  assert.deepEqual(plant("safeconduct agents suspend support-bot\nnpx safeconduct apply safeconduct.yaml"), [])
})
