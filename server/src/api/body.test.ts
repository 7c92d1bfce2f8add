import assert from "node:assert/strict"
import { test } from "node:test"
import { z } from "zod"
import { route, silentLog } from "#kernel"
import { type ApiRoute, createApplication } from "./application.ts"

const define = (path: string, more: object = {}) =>
  route({
    method: "POST",
    path,
    listeners: ["web"],
    right: "public",
    events: null,
    summary: "A route of the test",
    body: z.looseObject({}),
    handle: ({ listener }) => ({ listener }),
    ...more,
  }) as unknown as ApiRoute

const app = createApplication({
  listener: "web",
  routes: [
    define("/usual"),
    define("/large", { maxBodyBytes: 200_000 }),
    define("/bad", { isOtherTypeBad: true }),
    define("/form", { bodyType: "form", handle: ({ body }: { body: object }) => body }),
  ],
  limiter: { take: () => undefined },
  log: silentLog,
})

const json = "application/json"
const form = "application/x-www-form-urlencoded"

async function post(path: string, body: string, headers: Record<string, string> = { "content-type": json }) {
  const request = new Request(`http://localhost${path}`, { method: "POST", body, headers })
  const response = await app.fetch(request, { incoming: {} })
  return { status: response.status, headers: response.headers, body: (await response.json()) as { code?: string } }
}

test("a route may take a larger body than others, and no larger than it says", async () => {
  const text = (length: number) => JSON.stringify({ text: "x".repeat(length) })
  assert.deepEqual((await post("/usual", text(70_000))).body.code, "body-too-large")
  assert.equal((await post("/large", text(190_000))).status, 200)
  const { status, body } = await post("/large", text(200_000))
  assert.deepEqual([status, body.code], [413, "body-too-large"])
})

test("a body of another type is 415, and 400 where a standard says so", async () => {
  const plain = { "content-type": "text/plain" }
  assert.equal((await post("/usual", "{}", plain)).status, 415)
  assert.equal((await post("/bad", "{}", plain)).status, 400)
  assert.equal((await post("/bad", "{}", { "content-type": `${json}; charset=utf-16` })).status, 400)
  assert.equal((await post("/bad", "{}")).status, 200)
})

test("a request's X-Request-ID comes back with every answer, and a handler knows the listener", async () => {
  const headers = { "content-type": json, "x-request-id": "bfe9eb29 ab87" }
  const good = await post("/usual", "{}", headers)
  assert.deepEqual([good.status, good.headers.get("x-request-id")], [200, "bfe9eb29 ab87"])
  assert.deepEqual(good.body, { listener: "web" })
  for (const [path, body] of [
    ["/usual", "{"],
    ["/nowhere", "{}"],
    ["/%2f", "{}"],
  ] as const) {
    const refused = await post(path, body, headers)
    assert.ok(refused.status >= 400)
    assert.equal(refused.headers.get("x-request-id"), "bfe9eb29 ab87", path)
  }
  assert.equal((await post("/usual", "{}")).headers.get("x-request-id"), null)
  for (const id of ["x".repeat(201), "caf\u00e9", ""]) {
    const answer = await post("/usual", "{}", { "content-type": json, "x-request-id": id })
    assert.deepEqual([answer.status, answer.headers.get("x-request-id")], [200, null], id)
  }
})

test("a form's parameter without a value was not sent, and one that is sent twice is refused (RFC 6749 §3.2)", async () => {
  const headers = { "content-type": form }
  assert.deepEqual((await post("/form", "a=1&b=&c", headers)).body, { a: "1" })
  const { status, body } = await post("/form", "a=1&b=&b=", headers)
  assert.deepEqual([status, (body as { error?: string }).error], [400, "invalid_request"])
})
