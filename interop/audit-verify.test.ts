import assert from "node:assert/strict"
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { after, before, describe, test } from "node:test"
import { flips, forgeries, verifyExport, verifyForged } from "./forgeries.ts"
import { growLog, type RealLog } from "./real-log.ts"

/** Of a server that was given no trust domain. */
const ORIGIN = "safeconduct.local/log/1"

let folder: string
let log: RealLog

before(async () => {
  folder = await mkdtemp(join(tmpdir(), "safeconduct-interop-"))
  log = await growLog(folder, 300)
})
after(() => rm(folder, { recursive: true, force: true }))

describe("audit verify, over a real server's log that was exported", { concurrency: 2 }, () => {
  test("accepts it, with the older checkpoint and without", async () => {
    assert.ok(log.size >= 300)
    for (const older of [log.older, null]) {
      assert.deepEqual(await verifyExport(log, older), { code: 0, problems: [] })
    }
  })
  test("accepts what was signed again with the stolen key, when nothing older was kept", async () => {
    for (const forgery of forgeries.filter(({ isSoundAlone }) => isSoundAlone)) {
      assert.deepEqual(await verifyForged(log, forgery, false), { code: 0, problems: [] }, forgery.what)
    }
  })
  for (const [at, forgery] of [...flips(4), ...forgeries].entries()) {
    test(`finds ${forgery.what} (${at + 1})`, async () => {
      const { code, problems, detail } = await verifyForged(log, forgery)
      assert.equal(code, 8, detail)
      // A byte of the log's name makes it another log, which the key is not for: nothing of it is looked at.
      const isOfName = /^checkpoint, byte (\d+),/.exec(detail ?? "")?.[1]
      assert.ok(problems.length > 0 || Number(isOfName ?? Infinity) <= ORIGIN.length, detail)
      if (forgery.finds !== undefined) assert.ok(problems.includes(forgery.finds), problems.join(", "))
    })
  }
})
