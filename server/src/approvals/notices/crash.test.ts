import assert from "node:assert/strict"
import { spawn } from "node:child_process"
import { once } from "node:events"
import process from "node:process"
import { createInterface } from "node:readline"
import { test } from "node:test"
import { fileURLToPath } from "node:url"
import type { ChannelsPart } from "../channels/index.ts"
import { openTestReach, type TestReach } from "./reach.fixture.ts"

const alice = { kind: "email", address: "alice@example.org" } as const
const idle: ChannelsPart = { order: [], fallbackSeconds: 3_600 }

/** Starts a server in a process of its own, and waits until it works. */
async function startWorker(reach: TestReach, part: ChannelsPart, isStuck = false) {
  const file = fileURLToPath(new URL("worker.fixture.ts", import.meta.url))
  const env = {
    ...process.env,
    REACH_URL: reach.store.serverUrl,
    REACH_LOG_KEY: reach.keyPath,
    REACH_KEY: reach.key.toString("base64url"),
    REACH_PART: JSON.stringify(part),
    REACH_STUCK: isStuck ? "yes" : "no",
  }
  const child = spawn(process.execPath, ["--conditions=source", file], { env, stdio: ["ignore", "pipe", "inherit"] })
  const [line] = await once(createInterface(child.stdout!), "line")
  assert.equal(line, "ready")
  return {
    async kill() {
      child.kill("SIGKILL")
      await once(child, "close")
    },
  }
}
const isClaimed = async (reach: TestReach, user: string) => {
  const rows = await reach.store.owner.query(
    "select from approvals.people where user_id = $1 and claimed_until > clock_timestamp()",
    [user],
  )
  return rows.length === 1
}

test("a server killed while it tells somebody leaves them to the next, and they are told", async () => {
  await using reach = await openTestReach()
  const part = reach.part
  const user = await reach.person(alice)
  reach.part = idle
  reach.mail.manner = "silent"
  const worker = await startWorker(reach, part)
  await reach.notice({ user, kind: "asked" })
  await reach.until(() => isClaimed(reach, user))
  await worker.kill()
  assert.equal(reach.mail.caught.all.length, 0)
  assert.deepEqual(
    (await reach.rows(user)).map(({ state, step }) => [state, step]),
    [["waiting", 0]],
  )
  reach.mail.manner = "take"
  reach.part = part
  reach.notices.look()
  await reach.entries("approvals.notified", 1)
  assert.deepEqual(
    reach.mail.caught.all.map(({ to }) => to),
    ["alice@example.org"],
  )
})

test("a server killed between a message and its mark has them told twice, with one id, and never not at all", async () => {
  await using reach = await openTestReach()
  const part = reach.part
  const user = await reach.person(alice)
  reach.part = idle
  const worker = await startWorker(reach, part, true)
  await reach.notice({ user, kind: "asked" })
  await reach.mail.caught.until(1)
  await worker.kill()
  assert.deepEqual(await reach.entries("approvals.notified"), [])
  reach.part = part
  reach.notices.look()
  const letters = await reach.mail.caught.until(2)
  assert.equal(new Set(letters.map(({ messageId }) => messageId)).size, 1)
  await reach.entries("approvals.notified", 1)
  assert.equal((await reach.rows(user))[0]!.step, 2)
  assert.equal(reach.mail.caught.all.length, 2)
})
