import assert from "node:assert/strict"
import { test } from "node:test"
import { emptyEdge } from "@safeconduct/tlog"
import { testDatabase } from "#testing"
import { createAppender } from "./append.ts"
import { migrations } from "./index.ts"
import { writeLeaf } from "./leaf.ts"
import { readHead } from "./store.ts"

const written = (count: number) =>
  Array.from({ length: count }, () => writeLeaf({ event: "test.happened", by: "server" }, 0))

test("a log that was cut back to where this server left it takes nothing more from it", async () => {
  await using store = await testDatabase({ rooms: [migrations] })
  const { database, owner } = store
  const [one, other] = [createAppender(emptyEdge()), createAppender(emptyEdge())]
  const { receipts } = (await one.appendAlone(database, written(3)))!
  one.confirm(receipts)
  const atBackup = await readHead(database)
  await database.transaction((tx) => other.append(tx, written(2)))
  // As readiness asks: it saw five.
  await database.transaction((tx) => one.append(tx, []))
  await owner.query("delete from audit.entries where index >= 3")
  await owner.query("update audit.head set size = $1, root = $2", [atBackup.size, atBackup.root])

  assert.equal(await one.appendAlone(database, written(1)), null)
  await assert.rejects(
    database.transaction((tx) => one.append(tx, written(1))),
    { code: "log-forked" },
  )
  assert.deepEqual(await readHead(database), atBackup)
})
