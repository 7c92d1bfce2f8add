import assert from "node:assert/strict"
import { mkdtemp, rm } from "node:fs/promises"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { test } from "node:test"
import { folderReader, folderWriter } from "./folder.ts"
import { exportLog, httpReader, verifyLog } from "./index.ts"
import { entriesOf, memoryFiles, memoryLog } from "./testing/memory-log.ts"

test("an export has exactly the files of the log, and the checkpoint last", async () => {
  const log = await memoryLog(entriesOf(700))
  const copy = new Map<string, Uint8Array>()
  const checkpoint = await exportLog(log.io, memoryFiles(copy))
  assert.equal(checkpoint.size, 700)
  assert.deepEqual([...copy.keys()].toSorted(), [...log.files.keys()].toSorted())
  for (const [path, content] of copy) assert.deepEqual(content, log.files.get(path))
  assert.equal([...copy.keys()].at(-1), "checkpoint")
})

test("a folder holds a log that verifies", async () => {
  const folder = await mkdtemp(join(tmpdir(), "tlog-"))
  try {
    const log = await memoryLog(entriesOf(300))
    await exportLog(log.io, folderWriter(folder))
    assert.equal((await verifyLog(folderReader(folder), log.vkey)).ok, true)
    assert.equal(await folderReader(folder).read("tile/0/999"), null)
    assert.equal(await folderReader(folder).read("checkpoint/000"), null)
    await assert.rejects(folderReader(folder).read("tile"), { code: "EISDIR" })
  } finally {
    await rm(folder, { recursive: true })
  }
})

test("a log is read over HTTP; what is not there is null, any other answer throws", async () => {
  const log = await memoryLog(entriesOf(300))
  const seen = new Set<string | undefined>()
  const server = createServer(async (request, response) => {
    seen.add(request.headers.authorization)
    const path = request.url!.slice("/log/".length)
    const content = log.files.get(path)
    response.writeHead(path === "broken" ? 500 : content ? 200 : 404).end(content)
  })
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening))
  try {
    const { port } = server.address() as AddressInfo
    const reader = httpReader(`http://127.0.0.1:${port}/log/`, { authorization: "Bearer x" })
    assert.equal((await verifyLog(reader, log.vkey)).ok, true)
    assert.equal(await reader.read("nothing"), null)
    await assert.rejects(reader.read("broken"), /HTTP 500/)
    assert.deepEqual([...seen], ["Bearer x"])
  } finally {
    server.closeAllConnections()
    server.close()
  }
})

test("a log without checkpoint or with a gap is not exported", async () => {
  const log = await memoryLog(entriesOf(300))
  const copy = new Map<string, Uint8Array>()
  log.files.delete("tile/entries/000")
  await assert.rejects(exportLog(log.io, memoryFiles(copy)), { code: "missing-tile" })
  assert.equal(copy.has("checkpoint"), false)
  log.files.delete("checkpoint")
  await assert.rejects(exportLog(log.io, memoryFiles(copy)), { code: "malformed-checkpoint" })
})
