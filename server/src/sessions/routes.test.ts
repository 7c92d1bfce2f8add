import assert from "node:assert/strict"
import { test } from "node:test"
import { decodeJwt } from "jose"
import { refusalCode } from "#kernel"
import { agent, issuer, nobody, openTestSessions, type TestSessions } from "./fixture.ts"
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

test("the token endpoint gives a recorded token for the caller's own open session", async () => {
  await using room = await openTestSessions()
  const session = await room.open()
  const body = { grant_type: "client_credentials", safeconduct_session: session.id, unknown: "ignored" }
  const answer: { access_token: string; token_type: string; expires_in: number } = await call(
    room,
    "POST",
    "/oauth2/token",
    {
      caller: agent({ confirmation: { "x5t#S256": "renewed" } }),
      body,
    },
  )
  assert.deepEqual([answer.token_type, answer.expires_in], ["Bearer", 300])
  assert.deepEqual(decodeJwt(answer.access_token)["cnf"], { "x5t#S256": "renewed" })
  assert.equal((await room.entries()).at(-1)!.event, "sessions.token-issued")
})

test("the token endpoint gives no token for a session that ends while it is made", async () => {
  await using room = await openTestSessions()
  const session = await room.open()
  const end = () => room.audit.commit(room.sessions.end(session.id, "ended", "server"))
  const commit: typeof room.audit.commit = async (change) => {
    await end()
    return await room.audit.commit(change)
  }
  const { sessions } = await room.another({ audit: { ...room.audit, commit } })
  const form = { grant_type: "client_credentials", safeconduct_session: session.id }
  await assert.rejects(sessions.clientCredentials(form, agent()), refusesWith("session-ended"))
  assert.deepEqual(
    (await room.entries()).map(({ event }) => event),
    ["sessions.opened", "sessions.ended"],
  )
})

test("an agent that proved its key gets a token bound to it, for a session or for none yet", async () => {
  await using room = await openTestSessions()
  const session = await room.open()
  const caller = agent({ confirmation: { jkt: "key-1" } })
  type Answer = { access_token: string; token_type: string }
  const ask = async (body: object): Promise<Answer> => await call(room, "POST", "/oauth2/token", { caller, body })
  const own = await ask({ grant_type: "client_credentials" })
  const { cnf, safeconduct_session, authorization_details } = decodeJwt(own.access_token)
  assert.deepEqual([own.token_type, cnf, safeconduct_session], ["DPoP", { jkt: "key-1" }, undefined])
  assert.deepEqual(authorization_details, [], "an empty list allows nothing")
  const [entry] = (await room.audit.entries({})).entries.slice(-1)
  const { name, instance, serial: svid } = caller
  assert.deepEqual(entry!.leaf.agent, { name, instance, svid, proof: "dpop" })
  assert.equal(entry!.leaf.session, undefined)
  const of = await ask({ grant_type: "client_credentials", safeconduct_session: session.id })
  assert.equal((await room.sessions.verifyToken(of.access_token, { jkt: "key-1" })).safeconduct_session, session.id)
  for (const wrong of [{ jkt: "key-2" }, { "x5t#S256": "key-1" }, { "x5t#S256": "thumbprint-1" }]) {
    await assert.rejects(room.sessions.verifyToken(of.access_token, wrong), refusesWith("token-invalid"))
  }
})

test("a request with one session's token sees that session alone, and stands in no other", async () => {
  await using room = await openTestSessions()
  const [one, two] = [await room.open(), await room.open()]
  const caller = agent({ onlySession: one.id })
  assert.deepEqual(
    (await room.sessions.list(caller)).map(({ id }) => id),
    [one.id],
  )
  await room.sessions.standing(one.id, caller)
  await assert.rejects(room.sessions.standing(two.id, caller), refusesWith("token-invalid"))
  const body = { grant_type: "client_credentials", safeconduct_session: two.id }
  await assert.rejects(call(room, "POST", "/oauth2/token", { caller, body }), refusesWith("token-invalid"))
})

test("the token endpoint refuses everything that is not exactly that", async () => {
  await using room = await openTestSessions()
  const session = await room.open()
  const good = { grant_type: "client_credentials", safeconduct_session: session.id }
  const ask = (body: object, caller = agent()) => call(room, "POST", "/oauth2/token", { caller, body })
  await assert.rejects(ask({ ...good, grant_type: "password" }), refusesWith("unsupported-grant-type"))
  await assert.rejects(ask({ grant_type: "client_credentials" }), refusesWith("invalid-request"))
  await assert.rejects(ask({ ...good, scope: "everything" }), refusesWith("invalid-request"))
  await assert.rejects(ask({ ...good, client_assertion: "a.b.c" }), refusesWith("identity-unknown"), "two methods")
  await assert.rejects(ask({ ...good, authorization_details: "[]" }), refusesWith("invalid-request"))
  await assert.rejects(ask({ ...good, client_id: "spiffe://example.org/agent/other" }), refusesWith("identity-unknown"))
  await assert.rejects(ask({ ...good, safeconduct_session: nobody() }), refusesWith("session-unknown"))
  await assert.rejects(ask(good, agent({ instance: "instance_2" })), refusesWith("session-unknown"))
  await room.audit.commit(room.sessions.end(session.id, "ended", "server"))
  // Not even while this server has not heard of the end.
  await assert.rejects(ask(good), refusesWith("session-ended"))
  assert.equal(
    (await room.entries()).some(({ event }) => event === "sessions.token-issued"),
    false,
  )
})

test("the metadata names what is there", async () => {
  await using room = await openTestSessions()
  const { sessions } = await room.another({ mtlsUrl: "https://agents.example:7443/" })
  const metadata = sessions.metadata()
  assert.equal(metadata["issuer"], issuer)
  assert.equal(metadata["jwks_uri"], `${issuer}/.well-known/jwks.json`)
  assert.equal(metadata["token_endpoint"], `${issuer}/oauth2/token`)
  assert.deepEqual(metadata["mtls_endpoint_aliases"], { token_endpoint: "https://agents.example:7443/oauth2/token" })
  assert.deepEqual(metadata["dpop_signing_alg_values_supported"], ["ES256"])
  assert.equal(metadata["tls_client_certificate_bound_access_tokens"], true)
  const keys: { keys: unknown[] } = await call(room, "GET", "/.well-known/jwks.json", { caller: null })
  assert.equal(keys.keys.length, 1)
})
