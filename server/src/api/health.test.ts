import assert from "node:assert/strict"
import { test } from "node:test"
import { silentLog } from "#kernel"
import { manualClock } from "#testing"
import { type ApiRoute, createApplication } from "./application.ts"
import { type Check, healthRoutes } from "./health.ts"
import { createLimiter } from "./limiter.ts"

function serving(checks: readonly Check[]) {
  const routes = healthRoutes(checks) as ApiRoute[]
  const limiter = createLimiter(manualClock(), { burst: 1, perSecond: 1 })
  const app = createApplication({ listener: "ops", routes, limiter, log: silentLog })
  return async () => {
    const response = await app.fetch(new Request("http://localhost/readyz"), { incoming: {} })
    const json = (await response.json()) as { checks: { problem: string | null }[] }
    return { status: response.status, json }
  }
}

test("whoever asks while the checks run gets their answer, and who asks after it another", async () => {
  let count = 0
  const held = Promise.withResolvers<null>()
  const ask = serving([{ name: "disk", problem: () => (++count === 1 ? held.promise : "full") }])
  const many = Array.from({ length: 50 }, ask)
  await new Promise(setImmediate)
  held.resolve(null)
  assert.deepEqual([...new Set((await Promise.all(many)).map(({ status }) => status))], [200])
  assert.equal(count, 1)
  assert.deepEqual(await ask(), {
    status: 503,
    json: { status: "not-ready", checks: [{ name: "disk", problem: "full" }] },
  })
})

test("a check that throws is a problem, and not one of the others", async () => {
  const ask = serving([
    { name: "one", problem: () => Promise.reject(new Error("gone")) },
    { name: "two", problem: () => null },
  ])
  const { status, json } = await ask()
  assert.deepEqual([status, json.checks.map(({ problem }) => problem)], [503, ["gone", null]])
})
