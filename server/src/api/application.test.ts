import assert from "node:assert/strict"
import { test } from "node:test"
import fc from "fast-check"
import { z } from "zod"
import type { AgentPrincipal, OperatorPrincipal, Principal } from "#agents"
import { type Log, Refusal, type Right, type RouteRequest, route, silentLog } from "#kernel"
import { manualClock } from "#testing"
import { type ApiRoute, createApplication } from "./application.ts"
import { byCertificate } from "./identify.ts"
import { createLimiter } from "./limiter.ts"

const common = {
  spiffeId: "spiffe://example.org/x",
  instance: "instance_1",
  serial: "0a",
  confirmation: { "x5t#S256": "mine" },
  notAfterMs: 1e15,
}
const agent: AgentPrincipal = { kind: "agent", name: "bot", agentId: "agent_1", ...common }
const admin: OperatorPrincipal = {
  kind: "operator",
  name: "olga",
  operatorId: "operator_1",
  roles: ["admin"],
  ...common,
}

type Sent = RouteRequest<Principal | null, unknown>
type Made = Partial<Pick<ApiRoute, "path" | "bodyType" | "isPage" | "takesApproval">> & {
  method?: ApiRoute["method"]
  right?: Right
  body?: z.ZodType
  query?: z.ZodType
  handle?: (request: Sent) => unknown
}

function made({ handle = ({ caller: _, ...seen }) => seen, ...more }: Made): ApiRoute {
  const shape = { method: "GET", path: "/v1/things", listeners: ["agents"], right: "agent", events: null, summary: "" }
  return route({ ...shape, ...more, handle } as never) as unknown as ApiRoute
}

const schema = z.strictObject({ name: z.string().max(10), tags: z.record(z.string(), z.string()).optional() })
const routes = [
  made({}),
  made({ method: "POST", body: schema }),
  made({ method: "DELETE" }),
  made({ path: "/v1/things/{id}" }),
  made({ path: "/v1/things/special", method: "POST", body: schema.partial() }),
  made({ path: "/v1/rest/{rest...}", right: "public" }),
  made({ path: "/v1/query", query: z.strictObject({ text: z.string().optional() }) }),
  made({ path: "/v1/sessions/{id}/renewal", method: "POST" }),
  made({ path: "/v1/actions", method: "POST", body: z.strictObject({ session: z.string() }) }),
  made({
    path: "/v1/approved",
    method: "POST",
    body: z.strictObject({ session: z.string() }),
    takesApproval: true,
    handle: ({ caller }) => caller,
  }),
  made({ path: "/v1/operators", right: "manage-agents" }),
  made({ path: "/v1/enrolments", method: "POST", right: "enrol", body: schema }),
  made({ path: "/oauth2/token", method: "POST", bodyType: "form", body: z.object({ grant_type: z.string() }) }),
  made({
    path: "/oauth2/asking",
    method: "POST",
    bodyType: "form",
    right: "application",
    body: z.object({}),
    handle: () => {
      const detail = { safeconduct_consent_uri: "https://safeconduct.example/page", error: "forged", path: "body" }
      throw new Refusal("consent-required", "Send the user there.", { detail })
    },
  }),
  made({
    path: "/v1/broken",
    handle: () => {
      throw new TypeError("internals at /secret/path")
    },
  }),
  made({
    path: "/v1/rejected",
    handle: () =>
      Promise.reject(
        new Refusal("lease-limit", "Enough.", {
          cause: new Error("internals"),
          detail: { code: "forged", status: 200, findings: [1] },
        }),
      ),
  }),
]

type Options = { caller?: Principal | null | (() => Principal | null); log?: Log; address?: string; burst?: number }

function serving({ caller = agent, log = silentLog, address = "192.0.2.1", burst = 1_000 }: Options = {}) {
  const app = createApplication({
    listener: "agents",
    routes,
    identification: byCertificate({
      peers: { identify: async () => (typeof caller === "function" ? caller() : caller), closeAll: () => undefined },
      tokens: async (token, confirmation) => {
        const isMine = "x5t#S256" in confirmation && confirmation["x5t#S256"] === "mine"
        if (token === "approval" && isMine) return { safeconduct_session: "session_1", txn: "approval_1" } as never
        if (token !== "good" || !isMine) throw new Refusal("token-invalid", "Not valid here.")
        return { safeconduct_session: "session_1" } as never
      },
    }),
    limiter: createLimiter(manualClock(), { burst, perSecond: 1 }),
    log,
  })
  const env = { incoming: { socket: { remoteAddress: address } } }
  return async (target: string, init: RequestInit & { duplex?: "half" } = {}) => {
    const [method, path] = target.split(" ") as [string, string]
    const response = await app.fetch(new Request(`https://localhost${path}`, { method, ...init }), env)
    const text = await response.text()
    const type = response.headers.get("content-type")
    return {
      response,
      status: response.status,
      type,
      text,
      json: type?.includes("json") && text !== "" ? JSON.parse(text) : null,
    }
  }
}

const json = { "content-type": "application/json" }
const send = serving()

test("a method that a path does not take is 405 and tells which it takes, to anybody", async () => {
  const nobody = serving({ caller: null })
  for (const method of ["PATCH", "OPTIONS", "PUT", "PROPFIND"]) {
    const { status, response, json: problem } = await nobody(`${method} /v1/things`)
    assert.deepEqual(
      [status, problem.code, response.headers.get("allow")],
      [405, "method-not-allowed", "GET, HEAD, POST, DELETE"],
    )
  }
  assert.equal(
    (await send("GET /v1/things/special")).response.headers.get("allow"),
    "POST",
    "a name comes before a parameter",
  )
  assert.equal((await send("GET /v1/things/other")).json.params.id, "other")
  const { status, type, json: error } = await send("GET /oauth2/token")
  assert.deepEqual([status, type, error.error], [405, "application/json", "invalid_request"])
})

test("HEAD is GET without its content", async () => {
  const { status, text, response } = await send("HEAD /v1/things")
  assert.deepEqual([status, text, response.headers.get("cache-control")], [200, "", "no-store"])
  assert.equal((await serving({ caller: null })("HEAD /v1/things")).status, 401)
})

test("what is nowhere is 404, with a trailing slash too", async () => {
  for (const path of ["/", "/v1/thing", "/v1/things/", "/v1/things/a/b", "/V1/things"]) {
    const { status, json: problem } = await send(`GET ${path}`)
    assert.deepEqual([status, problem.code], [404, "not-found"], path)
  }
})

test("a path that two readers may read differently is 400", async () => {
  const odd = [
    "/v1/things/a%2Fb",
    "/v1/things/a%00",
    "/v1/things/%ff",
    "/v1/things/%zz",
    "/v1/things/%",
    "/v1/things/%0a",
    "/v1/things/a%5cb",
    "/v1/rest/a%2f..%2fb",
    "/%00",
  ]
  for (const path of odd) {
    const { status, json: problem } = await send(`GET ${path}`)
    assert.deepEqual([status, problem.code], [400, "invalid-request"], path)
  }
  assert.equal((await send("GET /v1/things/caf%C3%A9%2520")).json.params.id, "café%20", "decoded once")
  assert.equal((await send("GET /v1/rest/a/b")).json.params.rest, "a/b")
})

test("a body is refused that is not JSON as two readers would read it", async () => {
  const deep = `{"name":${"[".repeat(40)}${"]".repeat(40)}}`
  const bodies: [string | Uint8Array, number, string][] = [
    ["{", 400, "malformed-json"],
    ["\u0000", 400, "malformed-json"],
    [new Uint8Array([0x7b, 0xff, 0x7d]), 400, "malformed-json"],
    [`{"name":"a","name":"b"}`, 400, "malformed-json"],
    [`{"name":"a","__proto__":{}}`, 400, "malformed-json"],
    [`{"name":"\\ud800"}`, 400, "malformed-json"],
    [`{"name":99999999999999999999}`, 400, "malformed-json"],
    [deep, 400, "malformed-json"],
    ["[".repeat(60_000), 400, "malformed-json"],
    [JSON.stringify({ name: "a".repeat(70_000) }), 413, "body-too-large"],
    [`{"name":"a\\u0000"}`, 400, "invalid-request"],
    [`{"name":"a","tags":{"\\u0000":"b"}}`, 400, "invalid-request"],
    [`{"name":1}`, 400, "invalid-request"],
    [`{"name":"a","more":1}`, 400, "invalid-request"],
    ["[]", 400, "invalid-request"],
    ["null", 400, "invalid-request"],
    ["", 400, "invalid-request"],
  ]
  for (const [body, status, code] of bodies) {
    const answer = await send("POST /v1/things", { headers: json, body: body as string })
    assert.deepEqual(
      [answer.status, answer.json.code, answer.type],
      [status, code, "application/problem+json"],
      String(body).slice(0, 40),
    )
  }
  const { json: problem } = await send("POST /v1/things", {
    headers: json,
    body: JSON.stringify({ ["x".repeat(60_000)]: 1, name: "a" }),
  })
  assert.ok(JSON.stringify(problem).length < 1_500, "what a refusal repeats is bounded")
})

test("a body that comes in pieces is bounded too, and one that breaks off is no mistake of ours", async () => {
  const piece = new TextEncoder().encode(" ".repeat(16_384))
  let pieces = 0
  const endless = new ReadableStream({
    pull: (controller) => {
      pieces++
      controller.enqueue(piece)
    },
  })
  assert.equal((await send("POST /v1/things", { headers: json, body: endless, duplex: "half" })).status, 413)
  assert.ok(pieces < 10)
  const broken = new ReadableStream({ pull: (controller) => controller.error(new Error("gone")) })
  assert.equal((await send("POST /v1/things", { headers: json, body: broken, duplex: "half" })).status, 400)
})

test("a body is JSON in UTF-8 by its own word, and not compressed", async () => {
  const body = `{"name":"a"}`
  for (const type of ["application/json", "application/json; charset=utf-8", `Application/JSON;charset="UTF-8"`]) {
    assert.equal((await send("POST /v1/things", { headers: { "content-type": type }, body })).status, 200, type)
  }
  const bad = [
    "text/plain",
    "application/x-www-form-urlencoded",
    "application/json; charset=utf-16",
    "application/jsonx",
    "",
  ]
  for (const type of bad) {
    const { status, json: problem } = await send("POST /v1/things", { headers: { "content-type": type }, body })
    assert.deepEqual([status, problem.code], [415, "unsupported-media-type"], type)
  }
  const packed = { ...json, "content-encoding": "gzip" }
  assert.equal((await send("POST /v1/things", { headers: packed, body })).status, 415)
})

test("a route without a body takes nothing, or an empty object", async () => {
  for (const body of [undefined, "", "{}"]) {
    assert.equal(
      (await send("DELETE /v1/things", { headers: json, ...(body === undefined ? {} : { body }) })).status,
      200,
    )
  }
  assert.equal((await send("DELETE /v1/things", { headers: json, body: `{"a":1}` })).status, 400)
  assert.equal((await send("GET /v1/things", { headers: { "content-length": "3" } })).status, 400)
})

test("a query parameter that nothing declares, that comes twice or that holds U+0000 is refused", async () => {
  for (const path of [
    "/v1/things?a=1",
    "/v1/query?text=1&text=2",
    "/v1/query?more=1",
    "/v1/query?text=%00",
    "/v1/query?__proto__=1",
  ]) {
    const { status, json: problem } = await send(`GET ${path}`)
    assert.deepEqual([status, problem.code], [400, "invalid-request"], path)
  }
  assert.deepEqual((await send("GET /v1/query?text=a%20b")).json.query, { text: "a b" })
})

test("who shows no identity is 401, who lacks the right is 403, before a body is read", async () => {
  const body = new ReadableStream({ pull: () => assert.fail("read") }, { highWaterMark: 0 })
  const nobody = await serving({ caller: null })("POST /v1/things", { headers: json, body, duplex: "half" })
  assert.deepEqual([nobody.status, nobody.json.code], [401, "no-identity"])
  const { status, json: problem } = await send("GET /v1/operators")
  assert.deepEqual([status, problem.code], [403, "wrong-role"])
  assert.equal((await serving({ caller: admin })("GET /v1/operators")).status, 200)
})

test("whoever is stopped while its body arrives is refused", async () => {
  let isStopped = false
  const stopped = () => {
    if (isStopped) throw new Refusal("agent-suspended", "The agent is suspended.")
    return agent
  }
  const body = new ReadableStream(
    {
      pull(controller) {
        isStopped = true
        controller.enqueue(new TextEncoder().encode(`{"name":"a"}`))
        controller.close()
      },
    },
    { highWaterMark: 0 },
  )
  const { status, json: problem } = await serving({ caller: stopped })("POST /v1/things", {
    headers: json,
    body,
    duplex: "half",
  })
  assert.deepEqual([status, problem.code], [403, "agent-suspended"])
})

test("an access token that comes along must be good on this connection, and of the session that is asked about", async () => {
  const ask = (authorization: string, session = "session_1") =>
    send("POST /v1/actions", { headers: { ...json, authorization }, body: JSON.stringify({ session }) })
  assert.equal((await ask("Bearer good")).status, 200)
  assert.equal((await ask("bearer good")).status, 200)
  for (const header of ["Bearer stolen", "Bearer", "Bearer good, Bearer good", "Basic Z29vZA==", "DPoP good", "good"]) {
    const { status, json: problem, response } = await ask(header)
    const challenge = response.headers.get("www-authenticate")
    assert.deepEqual([status, problem.code, challenge], [401, "token-invalid", 'Bearer error="invalid_token"'], header)
  }
  assert.equal((await ask("Bearer good", "session_2")).json.code, "token-invalid", "another session in the body")
  const renew = (id: string) => send(`POST /v1/sessions/${id}/renewal`, { headers: { authorization: "Bearer good" } })
  assert.deepEqual([(await renew("session_1")).status, (await renew("session_2")).json.code], [200, "token-invalid"])
  const thief = serving({ caller: { ...agent, confirmation: { "x5t#S256": "thief's" } } })
  const stolen = { headers: { ...json, authorization: "Bearer good" }, body: `{"session":"session_1"}` }
  assert.equal((await thief("POST /v1/actions", stolen)).json.code, "token-invalid", "bound to another certificate")
})

test("a token that is an approval opens the one route that takes it, for its own session (pitfall 14)", async () => {
  const ask = (path: string, session = "session_1", token = "approval") => {
    const headers = { ...json, authorization: `Bearer ${token}` }
    return send(`POST ${path}`, { headers, body: JSON.stringify({ session }) })
  }
  const { status, json: caller } = await ask("/v1/approved")
  assert.deepEqual([status, caller.onlyApproval, caller.onlySession], [200, "approval_1", "session_1"])
  assert.equal((await ask("/v1/approved", "session_1", "good")).json.onlyApproval, undefined)
  assert.equal((await ask("/v1/approved", "session_2")).json.code, "token-invalid")
  assert.equal((await ask("/v1/actions")).json.code, "token-invalid")
  const renewed = await send("POST /v1/sessions/session_1/renewal", { headers: { authorization: "Bearer approval" } })
  assert.equal(renewed.json.code, "token-invalid")
})

test("a web page cannot make a browser that holds an SVID change anything", async () => {
  for (const headers of [{ origin: "https://evil.example" }, { "sec-fetch-site": "cross-site" }]) {
    assert.equal((await send("DELETE /v1/things", { headers })).status, 400)
  }
})

test("the token endpoint speaks RFC 6749, whatever is wrong", async () => {
  const form = { "content-type": "application/x-www-form-urlencoded" }
  const cases: [ReturnType<typeof serving>, RequestInit, number, string][] = [
    [serving({ caller: null }), { headers: form, body: "grant_type=a" }, 401, "invalid_client"],
    [serving({ caller: admin }), { headers: form, body: "grant_type=a" }, 400, "unauthorized_client"],
    [
      serving({
        caller: () => {
          throw new Refusal("svid-expired", "x")
        },
      }),
      { headers: form, body: "grant_type=a" },
      401,
      "invalid_client",
    ],
    [
      serving({
        caller: () => {
          throw new Refusal("agent-suspended", "x")
        },
      }),
      { headers: form, body: "grant_type=a" },
      400,
      "unauthorized_client",
    ],
    [send, { headers: json, body: "{}" }, 400, "invalid_request"],
    [send, { headers: form, body: "" }, 400, "invalid_request"],
    [send, { headers: form, body: "grant_type=a&grant_type=b" }, 400, "invalid_request"],
    [send, { headers: form, body: "grant_type=%00" }, 400, "invalid_request"],
    [serving({ burst: 0 }), { headers: form, body: "grant_type=a" }, 429, "temporarily_unavailable"],
    [
      serving({
        caller: () => {
          throw new TypeError("internals")
        },
      }),
      { headers: form, body: "grant_type=a" },
      500,
      "server_error",
    ],
  ]
  for (const [to, init, status, error] of cases) {
    const { status: got, json: body, type, response } = await to("POST /oauth2/token", init)
    assert.deepEqual([got, body.error, type], [status, error, "application/json"], error)
    assert.deepEqual(Object.keys(body), ["error", "error_description"])
    assert.equal(response.headers.get("cache-control"), "no-store")
    assert.doesNotMatch(body.error_description, /internals/)
  }
  const {
    status,
    json: error,
    response,
  } = await send("POST /oauth2/token", { headers: { ...form, authorization: "Basic YTpi" }, body: "grant_type=a" })
  assert.deepEqual(
    [status, error.error, response.headers.get("www-authenticate")],
    [401, "invalid_client", `Basic realm="safeconduct"`],
  )
})

test("an OAuth error has members of our own beside the standard's, and no other; an application says itself who it is", async () => {
  const form = { headers: { "content-type": "application/x-www-form-urlencoded" }, body: "" }
  const { status, json: body } = await serving({ caller: null, burst: 0 })("POST /oauth2/asking", form)
  assert.equal(status, 400)
  assert.deepEqual(body, {
    error: "consent_required",
    error_description: "Send the user there.",
    safeconduct_consent_uri: "https://safeconduct.example/page",
  })
})

test("over mutual TLS a token is bound to the certificate: a proof that comes along is refused, not ignored", async () => {
  const headers = { "content-type": "application/x-www-form-urlencoded", dpop: "a.b.c" }
  const { status, json: error } = await send("POST /oauth2/token", { headers, body: "grant_type=a" })
  assert.deepEqual([status, error.error], [400, "invalid_request"])
})

test("a mistake of ours is 500, is logged, and says nothing of itself", async () => {
  const logged: unknown[] = []
  const log: Log = { ...silentLog, error: (message, fields) => void logged.push([message, fields?.["error"]]) }
  const { status, json: problem, text } = await serving({ log })("GET /v1/broken")
  assert.deepEqual([status, problem.code, logged.length], [500, "internal", 1])
  assert.doesNotMatch(text, /internals|secret|TypeError|\.ts/)
})

test("a refusal keeps its code and status whatever its detail says, and its cause to itself", async () => {
  const { status, json: problem, text, response } = await send("GET /v1/rejected")
  assert.deepEqual([status, problem.code, problem.status, problem.findings], [429, "lease-limit", 429, [1]])
  assert.equal(response.headers.get("retry-after"), "1")
  assert.doesNotMatch(text, /internals/)
})

test("enrolment and tokens are bounded by the socket's address, not by what a header says", async () => {
  const bounded = serving({ burst: 2, caller: null })
  const codes = []
  for (const forwarded of ["1.1.1.1", "2.2.2.2", "3.3.3.3"]) {
    const headers = { ...json, "x-forwarded-for": forwarded, forwarded: `for=${forwarded}` }
    codes.push((await bounded("POST /v1/enrolments", { headers, body: `{"name":"a"}` })).json.code)
  }
  assert.deepEqual(codes, [undefined, undefined, "rate-limited"])
})

test("nothing that is sent makes us stumble", async () => {
  const path = fc.oneof(fc.webPath(), fc.constantFrom("/v1/things", "/v1/things/special", "/v1/query", "/v1/rest/a"))
  const query = fc.oneof(
    fc.constant(""),
    fc.webQueryParameters().map((text) => `?${text}`),
  )
  const value = fc.oneof(
    fc.json(),
    fc.string({ unit: "binary" }),
    fc.json().map((text) => `{"name":${text}}`),
  )
  const method = fc.constantFrom("GET", "POST", "PUT", "DELETE", "PATCH")
  await fc.assert(
    fc.asyncProperty(method, path, query, value, async (method, path, query, body) => {
      const init = method === "GET" ? {} : { headers: json, body }
      const { status, type } = await send(`${method} ${path === "" ? "/" : path}${query}`, init)
      assert.ok(status < 500, String(status))
      if (status >= 400) assert.equal(type, "application/problem+json")
    }),
    { numRuns: 80 },
  )
})

test("what people read is refused to them in a page, whatever went wrong, and to nobody else", async () => {
  const pages = [
    made({ path: "/page", right: "public", isPage: true, query: z.strictObject({ a: z.string() }) }),
    made({
      path: "/page",
      method: "POST",
      right: "public",
      isPage: true,
      bodyType: "form",
      body: z.object({ a: z.string() }),
    }),
    made({
      path: "/broken",
      right: "public",
      isPage: true,
      handle: () => {
        throw new TypeError("internals at /secret/path")
      },
    }),
  ]
  const limiter = createLimiter(manualClock(), { burst: 100, perSecond: 1 })
  const app = createApplication({ listener: "agents", routes: pages, limiter, log: silentLog })
  const env = { incoming: { socket: { remoteAddress: "192.0.2.1" } } }
  const ask = async (path: string, init: RequestInit = {}) => {
    const { status, headers, ...answer } = await Promise.resolve(
      app.fetch(new Request(`https://localhost${path}`, init), env),
    ).then(async (each) => ({ status: each.status, headers: each.headers, text: await each.text() }))
    return {
      status,
      type: headers.get("content-type"),
      policy: headers.get("content-security-policy"),
      text: answer.text,
    }
  }
  const form = { "content-type": "application/x-www-form-urlencoded" }
  const refused = [
    await ask("/page"),
    await ask("/page?a=1&a=2"),
    await ask("/page?<script>=1"),
    await ask("/page?a=1&Your account is locked; call us=1"),
    await ask("/page", { method: "POST", headers: json, body: "{}" }),
    await ask("/page", { method: "POST", headers: form, body: "b=1" }),
    await ask("/broken"),
  ]
  assert.deepEqual(
    refused.map(({ status }) => status),
    [400, 400, 400, 400, 415, 400, 500],
  )
  for (const { type, policy, text } of refused) {
    assert.equal(type, "text/html; charset=utf-8")
    assert.match(policy!, /^default-src 'none'/)
    assert.ok(!text.includes("<script") && !text.includes("/secret/path"))
    // Whoever makes a link does not speak to its reader in our name.
    assert.ok(!text.includes("locked") && !text.includes("script&gt;"))
  }
})
