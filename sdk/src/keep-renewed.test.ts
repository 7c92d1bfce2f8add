import assert from "node:assert/strict"
import { test } from "node:test"
import { SafeconductError } from "./errors.ts"
import { keepRenewed } from "./keep-renewed.ts"

/** Timers here are unref'ed by design; something has to keep the test's own process up. */
async function held(run: () => Promise<void>): Promise<void> {
  const hold = setInterval(() => undefined, 1_000)
  try {
    await run()
  } finally {
    clearInterval(hold)
  }
}

test("a failed renewal is told and tried again, and the count starts anew after a success", () =>
  held(async () => {
    const { promise, resolve } = Promise.withResolvers<void>()
    const told: [string, number][] = []
    let calls = 0
    using _kept = keepRenewed({
      nextDelayMs: () => 1,
      async renew() {
        calls += 1
        if (calls === 5) resolve()
        if (calls !== 3) throw new SafeconductError("unreachable", `call ${calls}`)
      },
      onFailure(error, failures) {
        told.push([error.message, failures])
        return 1
      },
    })
    await promise
    assert.deepEqual(told.slice(0, 3), [
      ["call 1", 0],
      ["call 2", 1],
      ["call 4", 0],
    ])
  }))

test("when nothing is left to renew, the end comes at its time and not before", () =>
  held(async () => {
    const { promise, resolve } = Promise.withResolvers<number>()
    const expiresAtMs = Date.now() + 60
    using _kept = keepRenewed({
      nextDelayMs: () => null,
      renew: () => assert.fail("renewed past the end"),
      onFailure: () => null,
      expiresAtMs: () => expiresAtMs,
      onExpiry: () => resolve(Date.now()),
    })
    assert.ok((await promise) >= expiresAtMs - 2)
  }))

test("after disposal nothing is renewed, told or ended", () =>
  held(async () => {
    const fail = () => assert.fail("after disposal")
    const kept = keepRenewed({ nextDelayMs: () => 5, renew: fail, onFailure: fail, onExpiry: fail })
    kept[Symbol.dispose]()
    await new Promise((resolve) => setTimeout(resolve, 30))
  }))
