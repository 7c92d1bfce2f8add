import assert from "node:assert/strict"
import { test } from "node:test"
import { refusalCode } from "#kernel"
import { agent, nobody, openTestSessions, type TestSessions } from "./fixture.ts"
import { routes } from "./index.ts"

const refusesWith = (code: string) => (error: unknown) => refusalCode(error) === code
const operator = { kind: "operator", spiffeId: "spiffe://example.org/operator/olga" }

/** Calls the handler of a route as the interface does, its query and body parsed. */
async function call(room: TestSessions, method: string, path: string, request: object): Promise<never> {
  const found = routes(room.sessions).find((route) => route.method === method && route.path === path)!
  const { query = {}, body } = request as { query?: Record<string, string>; body?: unknown }
  const parsed = {
    query: found.query?.parse(query) ?? {},
    body: found.body?.parse(body),
    params: {},
    headers: new Headers(),
    ...request,
  }
  return (await found.handle(parsed as never)) as never
}

test("an agent lists and reads its own instance's sessions, an operator everybody's", async () => {
  await using room = await openTestSessions()
  const own = await room.open()
  const others = [await room.open(agent({ instance: "instance_2" })), await room.open(agent({ name: "other-bot" }))]
  const list = async (caller: unknown, query = {}): Promise<string[]> =>
    ((await call(room, "GET", "/v1/sessions", { caller, query })) as { sessions: { id: string }[] }).sessions.map(
      ({ id }) => id,
    )
  assert.deepEqual(await list(agent()), [own.id])
  assert.deepEqual(await list(agent(), { agent: "other-bot" }), [own.id])
  assert.deepEqual((await list(operator)).toSorted(), [own, ...others].map(({ id }) => id).toSorted())
  assert.deepEqual(await list(operator, { agent: "other-bot", state: "open", limit: "1" }), [others[1]!.id])
  assert.deepEqual(await list(operator, { state: "ended" }), [])
  const read = (caller: unknown, id: string) => call(room, "GET", "/v1/sessions/{id}", { caller, params: { id } })
  const shown: Record<string, unknown> = await read(agent(), own.id)
  assert.deepEqual([shown["id"], shown["state"], shown["mandate"]], [own.id, "open", undefined])
  await read(operator, others[0]!.id)
  await assert.rejects(read(agent(), others[0]!.id), refusesWith("session-unknown"))
  await assert.rejects(read(operator, nobody()), refusesWith("session-unknown"))
})

test("a query that is not known is refused", async () => {
  await using room = await openTestSessions()
  for (const query of [{ limit: "0" }, { limit: "501" }, { limit: "x" }, { state: "any" }, { user: "alice" }]) {
    await assert.rejects(call(room, "GET", "/v1/sessions", { caller: operator, query }), JSON.stringify(query))
  }
})
