import assert from "node:assert/strict"
import { copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { test } from "node:test"
import { addLogKey, createLogKey } from "#audit"
import { silentLog } from "#kernel"
import { addKey } from "./add-key.ts"
import { testDeployment } from "./fixture.ts"
import { rotateLog, rotateLogWithoutTheOldKey } from "./rotate-log.ts"

const closing = { reason: "a test", closesWholeLog: true }

test("servers go on in the next log with its key, and do not start on a host that was not given it", async () => {
  await using at = await testDeployment()
  await (await at.serve()).stop()
  const elsewhere = join(at.folder, "elsewhere", "log.key")
  mkdirSync(join(at.folder, "elsewhere"))
  copyFileSync(at.configuration().logKeyFile, elsewhere)

  const begun = await rotateLog(at.configuration(), closing, silentLog)
  assert.equal(begun.origin, "safeconduct.local/log/2")
  await assert.rejects(at.serve({ logKeyFile: elsewhere }), (error: Error & { code?: string }) => {
    assert.equal(error.code, "key-unusable")
    assert.match(error.message, /is of .*log\/1, and this log is .*log\/2\. Copy the file/)
    return true
  })
  const server = await at.serve()
  assert.deepEqual([server.logKey, server.rooms.audit.log], [begun.vkey, 2])
  const first = await server.rooms.audit.entries({ limit: 1 })
  assert.equal(first.entries[0]!.leaf.event, "audit.log-begun")

  const added = await addKey(at.configuration(), "log")
  assert.match(added.kid, /^safeconduct\.local\/log\/2\+[0-9a-f]{8}$/)
})

test("a number that was signed in another past is not used again", async () => {
  await using at = await testDeployment()
  await (await at.serve()).stop()
  const { logKeyFile } = at.configuration()
  await addLogKey(logKeyFile, "safeconduct.local/log/2")
  // As the first of two restores of one backup left it.
  mkdirSync(`${logKeyFile}.signed-2`)
  writeFileSync(join(`${logKeyFile}.signed-2`, "0000000000000009"), `${Buffer.alloc(32).toString("base64")}\n`)
  const { origin, before } = await rotateLog(at.configuration(), closing, silentLog)
  assert.deepEqual([origin, before.log], ["safeconduct.local/log/3", 1])
  assert.equal((await at.serve()).rooms.audit.log, 3)
})

test("nothing is closed without the owner, and nothing that is whole without being told", async () => {
  await using at = await testDeployment()
  await (await at.serve()).stop()
  const without = at.configuration({ ownerUrl: "" })
  await assert.rejects(rotateLog(without, closing, silentLog), { code: "invalid-request" })
  const asServer = at.configuration({ ownerUrl: at.configuration().databaseUrl })
  await assert.rejects(rotateLog(asServer, closing, silentLog), /permission denied/)
  const notTold = { ...closing, closesWholeLog: false }
  await assert.rejects(rotateLog(at.configuration(), notTold, silentLog), { code: "log-not-forked" })
  // A key that is added now is of the log that goes on.
  assert.match((await addKey(at.configuration(), "log")).kid, /^safeconduct\.local\/log\/1\+/)
  assert.equal((await at.serve()).rooms.audit.log, 1)
})

test("a log whose key is lost ends when it is said so, and its key is not said to be lost where it is there", async () => {
  await using at = await testDeployment()
  await (await at.serve()).stop()
  const { logKeyFile } = at.configuration()
  await assert.rejects(rotateLogWithoutTheOldKey(at.configuration(), "fire", silentLog), { code: "invalid-request" })
  rmSync(logKeyFile)
  await assert.rejects(rotateLog(at.configuration(), closing, silentLog), { code: "key-unusable" })
  // As "keys create" makes one: of the same name, and not the key that is in force.
  await createLogKey(logKeyFile, "safeconduct.local/log/1")
  await assert.rejects(rotateLog(at.configuration(), closing, silentLog), {
    code: "key-unusable",
    message: /holds none of the log keys in force .*--without-the-old-key/,
  })
  rmSync(logKeyFile)
  const begun = await rotateLogWithoutTheOldKey(at.configuration(), "fire", silentLog)
  assert.deepEqual([begun.origin, begun.before.signed], ["safeconduct.local/log/2", begun.before.kept])
  const server = await at.serve()
  assert.equal(server.rooms.audit.fork, null)
  const [first] = (await server.rooms.audit.entries({ limit: 1 })).entries
  assert.equal((first!.leaf.data as { before: { keyLost: boolean } }).before.keyLost, true)
})

test("a key that is added to a file stands below the others, and one that is not there is not begun", async () => {
  await using at = await testDeployment()
  const { keyEncryptionKeyFile } = at.configuration()
  const before = readFileSync(keyEncryptionKeyFile, "utf8")
  const { kid } = await addKey(at.configuration(), "key-encryption")
  const after = readFileSync(keyEncryptionKeyFile, "utf8")
  assert.ok(after.startsWith(before))
  assert.equal(after.trim().split("\n").length, 2)
  assert.ok(!after.includes(kid))
  const nowhere = at.configuration({ keyEncryptionKeyFile: join(at.folder, "nowhere") })
  await assert.rejects(addKey(nowhere, "key-encryption"), { code: "key-unusable" })
})
