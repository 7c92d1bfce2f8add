import assert from "node:assert/strict"
import { execFileSync } from "node:child_process"
import { closeSync, openSync, rmSync, statfsSync, writeSync } from "node:fs"
import { join } from "node:path"
import process from "node:process"
import { after, before, describe, test } from "node:test"
import { type Ground, openGround } from "./fixtures/ground.ts"
import { connected } from "./fixtures/resource.ts"
import { until } from "./fixtures/until.ts"

const action = { type: "credential", resource: "kb", operation: "read" }
const skip = process.geteuid?.() === 0 ? false : "mounting a small file system needs root"

describe("while our own database's disk is full", { timeout: 180_000, skip }, () => {
  let ground: Ground
  let mounted = ""
  before(async () => {
    ground = await openGround({
      isDurable: true,
      disk(folder) {
        execFileSync("mount", ["-t", "tmpfs", "-o", "size=256m,mode=0711", "tmpfs", folder])
        mounted = folder
        return { [Symbol.dispose]: () => void execFileSync("umount", ["-l", folder]) }
      },
    })
  })
  after(() => ground?.[Symbol.asyncDispose]())

  const readiness = async () => {
    const answer = await fetch(`${ground.first.opsUrl}/readyz`)
    return { status: answer.status, text: await answer.text() }
  }
  const ballast = () => join(mounted, "ballast")
  const fill = () => {
    const file = openSync(ballast(), "a")
    const block = Buffer.alloc(65_536)
    try {
      for (;;) writeSync(file, block)
    } catch (error) {
      assert.equal((error as NodeJS.ErrnoException).code, "ENOSPC")
    } finally {
      closeSync(file)
    }
  }

  test("nothing is allowed and it says why; what ends is cut; with room again it resumes by itself", async (t) => {
    const agent = await ground.enrolled("bot")
    const session = await agent.open({ purpose: "answer" })
    const { settings } = await session.lease("kb", { operation: "read" })
    const connection = await connected(settings)
    const ask = (path: string, body: object) =>
      agent.transport.json({ method: "POST", path, body, maxAttempts: 1, timeoutMs: 60_000 })

    fill()
    assert.equal(statfsSync(mounted).bavail, 0)
    const { text } = await until("it to say that it is not ready", async () => {
      const found = await readiness()
      return found.status === 503 && found
    })
    t.diagnostic(text)
    assert.match(text, /"name":"database","problem":"[^"]/)
    // What is written first may still find room in a page that is there; soon nothing does.
    await until("nothing to be given", () =>
      ask("/v1/sessions", { purpose: "answer" }).then(
        () => false,
        (error: { code: string; message: string }) => {
          t.diagnostic(`${error.code}: ${error.message}`)
          assert.equal(error.code, "store-unavailable")
          return true
        },
      ),
    )
    const asked = performance.now()
    const ending = agent.transport.json<{ isRecorded?: boolean }>({
      method: "DELETE",
      path: `/v1/sessions/${session.id}`,
      timeoutMs: 60_000,
    })
    t.diagnostic(`cut ${((await connection.lost) - asked).toFixed(0)} ms after it was asked for`)
    t.diagnostic(`recorded at once: ${(await ending).isRecorded !== false}`)
    await assert.rejects(ask("/v1/actions", { session: session.id, action }))

    rmSync(ballast())
    const back = performance.now()
    await until("it to be ready again", async () => (await readiness()).status === 200, { withinMs: 60_000 })
    t.diagnostic(`ready ${(performance.now() - back).toFixed(0)} ms after there was room`)
    await ground.recorded(session.id, "sessions.ended")
    await using next = await agent.open({ purpose: "answer" })
    await next.lease("kb", { operation: "read" })
  })

  test("its PostgreSQL, when it exits over it, is started again as soon as there is room", async (t) => {
    const agent = await ground.enrolled("bot")
    const before = ground.own.pid
    fill()
    // Without room for its log PostgreSQL panics, cannot recover, and exits for good.
    const hasExited = () => {
      try {
        process.kill(before, 0)
        return false
      } catch {
        return true
      }
    }
    await until(
      "PostgreSQL to exit",
      async () => {
        const text = "select pg_logical_emit_message(true, 'x', repeat('x', 1000000))"
        await ground.ours.query(text).catch(() => undefined)
        return hasExited()
      },
      { withinMs: 60_000, everyMs: 50 },
    )
    const answer = await fetch(`${ground.first.opsUrl}/readyz`)
    assert.equal(answer.status, 503)
    rmSync(ballast())
    const back = performance.now()
    await until("it to be ready again", async () => (await readiness()).status === 200, {
      withinMs: 90_000,
      everyMs: 50,
    })
    t.diagnostic(
      `ready ${(performance.now() - back).toFixed(0)} ms after there was room; process ${before} → ${ground.own.pid}`,
    )
    await using next = await agent.open({ purpose: "answer" })
    await next.lease("kb", { operation: "read" })
  })
})
