import assert from "node:assert/strict"
import { after, before, describe, test } from "node:test"
import { roles } from "#agents"
import { healthRoutes, openApiOf } from "#api"
import { apply, parseDocument } from "#gate"
import type { Json, Route } from "#kernel"
import { type Caller, caller, document, type TestDeployment, testDeployment } from "./fixture.ts"
import { allRoutes, type Running } from "./serve.ts"

const anything = new Proxy({}, { get: () => anything }) as never
const routes = [...allRoutes(anything, anything), ...healthRoutes([])] as unknown as Route<never, never>[]

/**
 * What the agents' listener answers to an empty object on each route, about things that are not there. Nobody is 401 and
 * who lacks the right 403, before anything of the request is looked at; 400 and 404 are for who may.
 */
const golden = `
                                                   nobody agent admin operator auditor approver
DELETE /v1/agents/{name}/instances/{id}            401 403 404 404 403 403
DELETE /v1/agents/{name}/suspension                401 403 404 404 403 403
DELETE /v1/approvals/grants/{id}                   401 403 404 404 403 403
DELETE /v1/approvals/people/{id}                   401 403 404 404 403 403
DELETE /v1/approvals/reports/{id}                  401 403 404 404 403 403
DELETE /v1/credentials/leases/{id}                 401 404 404 404 403 403
DELETE /v1/sessions/{id}                           401 404 404 404 403 403
GET /                                              404 404 404 404 404 404
GET /.well-known/authzen-configuration             200 200 200 200 200 200
GET /.well-known/jwks.json                         200 200 200 200 200 200
GET /.well-known/oauth-authorization-server        200 200 200 200 200 200
GET /.well-known/openid-configuration              200 200 200 200 200 200
GET /access/v1/requests/{id}                       401 403 404 404 404 403
GET /approvals                                     404 404 404 404 404 404
GET /approvals/history                             404 404 404 404 404 404
GET /approvals/state                               404 404 404 404 404 404
GET /approvals/{id}                                404 404 404 404 404 404
GET /approvals/{id}/state                          404 404 404 404 404 404
GET /assets/{version}/{name}                       404 404 404 404 404 404
GET /consent/{id}                                  404 404 404 404 404 404
GET /livez                                         404 404 404 404 404 404
GET /log/checkpoint                                200 200 200 200 200 200
GET /log/tile/entries/{N...}                       401 403 404 404 404 403
GET /log/tile/{L}/{N...}                           404 404 404 404 404 404
GET /log/{log}/checkpoint                          404 404 404 404 404 404
GET /log/{log}/tile/entries/{N...}                 401 403 404 404 404 403
GET /log/{log}/tile/{L}/{N...}                     404 404 404 404 404 404
GET /me                                            404 404 404 404 404 404
GET /me/lost-device                                404 404 404 404 404 404
GET /me/new-passkey                                404 404 404 404 404 404
GET /me/notifications                              404 404 404 404 404 404
GET /me/passkeys                                   404 404 404 404 404 404
GET /metrics                                       404 404 404 404 404 404
GET /oauth2/authorize                              404 404 404 404 404 404
GET /phone.webmanifest                             404 404 404 404 404 404
GET /readyz                                        404 404 404 404 404 404
GET /sign-in/{provider}                            404 404 404 404 404 404
GET /sign-in/{provider}/callback                   404 404 404 404 404 404
GET /sign-in/{provider}/operator                   404 404 404 404 404 404
GET /sign-in/{provider}/operator/{id}              404 404 404 404 404 404
GET /sw.js                                         404 404 404 404 404 404
GET /v1/agents                                     401 403 200 200 200 200
GET /v1/agents/bundle                              200 200 200 200 200 200
GET /v1/agents/operators                           401 403 200 200 200 200
GET /v1/agents/{name}                              401 403 404 404 404 404
GET /v1/approvals                                  401 200 200 200 200 200
GET /v1/approvals/channels                         401 403 200 200 200 200
GET /v1/approvals/grants                           401 403 200 200 200 403
GET /v1/approvals/passkeys/waiting                 401 403 200 403 403 200
GET /v1/approvals/report                           401 403 200 200 200 403
GET /v1/approvals/reports                          401 403 200 200 200 403
GET /v1/approvals/{id}                             401 404 404 404 404 404
GET /v1/approvals/{id}/evidence                    401 403 404 404 404 403
GET /v1/audit/entries                              401 403 200 200 200 403
GET /v1/audit/entries/{id}                         401 403 404 404 404 403
GET /v1/audit/key                                  200 200 200 200 200 200
GET /v1/audit/receipts/{id}                        401 403 404 404 404 403
GET /v1/credentials/leases                         401 200 200 200 200 403
GET /v1/credentials/leases/{id}                    401 404 404 404 404 403
GET /v1/credentials/resources                      401 403 200 200 200 403
GET /v1/keys                                       401 403 200 200 200 403
GET /v1/policy                                     401 403 200 200 200 200
GET /v1/policy/changes                             401 403 200 200 200 200
GET /v1/policy/changes/{id}                        401 403 404 404 404 404
GET /v1/sessions                                   401 200 200 200 200 200
GET /v1/sessions/providers                         401 403 200 200 200 200
GET /v1/sessions/{id}                              401 404 404 404 404 404
GET /v1/sessions/{id}/explanation                  401 404 404 404 404 404
GET /v1/sessions/{id}/tree                         401 404 404 404 404 404
POST /access/v1/evaluation                         401 403 400 400 400 403
POST /access/v1/evaluations                        401 403 400 400 400 403
POST /access/v1/requests                           401 403 400 400 403 403
POST /access/v1/search/action                      401 403 400 400 400 403
POST /access/v1/search/resource                    401 403 400 400 400 403
POST /access/v1/search/subject                     401 403 400 400 400 403
POST /approvals/notices/{id}/receipt               404 404 404 404 404 404
POST /approvals/{id}/challenge                     404 404 404 404 404 404
POST /approvals/{id}/decision                      404 404 404 404 404 404
POST /consent/{id}                                 404 404 404 404 404 404
POST /me/consents/{id}/revocation                  404 404 404 404 404 404
POST /me/everything                                404 404 404 404 404 404
POST /me/grants/{id}/revocation                    404 404 404 404 404 404
POST /me/lost-device                               404 404 404 404 404 404
POST /me/notifications                             404 404 404 404 404 404
POST /me/notifications/contacts                    404 404 404 404 404 404
POST /me/notifications/contacts/{id}/code          404 404 404 404 404 404
POST /me/notifications/contacts/{id}/removal       404 404 404 404 404 404
POST /me/notifications/provider-address            404 404 404 404 404 404
POST /me/notifications/push                        404 404 404 404 404 404
POST /me/notifications/stand-ins                   404 404 404 404 404 404
POST /me/notifications/stand-ins/{id}/revocation   404 404 404 404 404 404
POST /me/passkeys                                  404 404 404 404 404 404
POST /me/passkeys/options                          404 404 404 404 404 404
POST /me/passkeys/vouching                         404 404 404 404 404 404
POST /me/passkeys/{id}/name                        404 404 404 404 404 404
POST /me/passkeys/{id}/revocation                  404 404 404 404 404 404
POST /me/sessions/{id}/end                         404 404 404 404 404 404
POST /me/sign-out                                  404 404 404 404 404 404
POST /oauth2/bc-authorize                          401 400 400 400 400 400
POST /oauth2/introspect                            400 400 400 400 400 400
POST /oauth2/par                                   401 400 400 400 400 400
POST /oauth2/revoke                                401 400 400 400 400 400
POST /oauth2/token                                 401 400 400 400 400 400
POST /sign-in/{provider}/ciba-channel              404 404 404 404 404 404
POST /sign-in/{provider}/ciba-ping                 404 404 404 404 404 404
POST /sign-in/{provider}/logout                    404 404 404 404 404 404
POST /sign-in/{provider}/operator/{id}             404 404 404 404 404 404
POST /v1/actions                                   401 400 403 403 403 403
POST /v1/actions/{id}/outcome                      401 400 403 403 403 403
POST /v1/agents/enrolments                         400 400 400 400 400 400
POST /v1/agents/operators                          401 403 400 403 403 403
POST /v1/agents/operators/sign-ins                 400 400 400 400 400 400
POST /v1/agents/operators/{name}/join-tokens       401 403 404 403 403 403
POST /v1/agents/operators/{name}/retirement        401 403 400 403 403 403
POST /v1/agents/renewals                           401 400 400 400 400 400
POST /v1/agents/{name}/join-tokens                 401 403 404 404 403 403
POST /v1/agents/{name}/retirement                  401 403 404 404 403 403
POST /v1/agents/{name}/suspension                  401 403 404 404 403 403
POST /v1/approvals/passkeys/{id}/confirmation      401 403 404 403 403 404
POST /v1/credentials/leases/{id}/renewal           401 404 403 403 403 403
POST /v1/keys/log/retirement                       401 403 409 403 403 403
POST /v1/keys/{use}/rotation                       401 403 404 403 403 403
POST /v1/policy/changes/{id}/approval              401 403 400 403 403 400
POST /v1/policy/changes/{id}/denial                401 403 404 403 403 404
POST /v1/policy/diff                               401 403 400 400 400 400
POST /v1/sessions                                  401 400 403 403 403 403
POST /v1/sessions/{id}/delegations                 401 400 403 403 403 403
POST /v1/sessions/{id}/renewal                     401 404 403 403 403 403
PUT /v1/approvals/channels/{name}/secret           401 403 400 403 403 403
PUT /v1/credentials/resources/{name}/root          401 403 400 403 403 403
PUT /v1/policy                                     401 403 400 403 403 403
PUT /v1/sessions/providers/{name}/secret           401 403 400 403 403 403
`

/** Paths of the web listener: what is public, and what agents call, there with DPoP proofs. */
const onWeb = [
  "/",
  "/.well-known/authzen-configuration",
  "/.well-known/jwks.json",
  "/.well-known/oauth-authorization-server",
  "/.well-known/openid-configuration",
  "/approvals",
  "/approvals/history",
  "/approvals/notices/{id}/receipt",
  "/approvals/state",
  "/approvals/{id}",
  "/approvals/{id}/challenge",
  "/approvals/{id}/decision",
  "/approvals/{id}/state",
  "/consent/{id}",
  "/log/checkpoint",
  "/log/tile/{L}/{N...}",
  "/me",
  "/me/consents/{id}/revocation",
  "/me/everything",
  "/me/grants/{id}/revocation",
  "/me/lost-device",
  "/me/new-passkey",
  "/me/notifications",
  "/me/notifications/contacts",
  "/me/notifications/contacts/{id}/code",
  "/me/notifications/contacts/{id}/removal",
  "/me/notifications/provider-address",
  "/me/notifications/push",
  "/me/notifications/stand-ins",
  "/me/notifications/stand-ins/{id}/revocation",
  "/me/passkeys",
  "/me/passkeys/options",
  "/me/passkeys/vouching",
  "/me/passkeys/{id}/name",
  "/me/passkeys/{id}/revocation",
  "/me/sessions/{id}/end",
  "/me/sign-out",
  "/oauth2/authorize",
  "/oauth2/bc-authorize",
  "/oauth2/introspect",
  "/oauth2/par",
  "/oauth2/revoke",
  "/oauth2/token",
  "/phone.webmanifest",
  "/sign-in/{provider}",
  "/sign-in/{provider}/callback",
  "/sign-in/{provider}/ciba-channel",
  "/sign-in/{provider}/ciba-ping",
  "/sign-in/{provider}/logout",
  "/sign-in/{provider}/operator",
  "/sign-in/{provider}/operator/{id}",
  "/sw.js",
  "/v1/actions",
  "/v1/actions/{id}/outcome",
  "/v1/agents/bundle",
  "/v1/agents/renewals",
  "/v1/approvals/channels",
  "/v1/approvals/grants",
  "/v1/approvals/report",
  "/v1/approvals/reports",
  "/v1/approvals/{id}",
  "/v1/audit/key",
  "/v1/credentials/leases",
  "/v1/credentials/leases/{id}",
  "/v1/credentials/leases/{id}/renewal",
  "/v1/sessions",
  "/v1/sessions/providers",
  "/v1/sessions/{id}",
  "/v1/sessions/{id}/delegations",
  "/v1/sessions/{id}/explanation",
  "/v1/sessions/{id}/renewal",
  "/v1/sessions/{id}/tree",
]

/** Bodies that no route takes, whatever its schema. */
const malformed: [string, string | Buffer][] = [
  ["no JSON", "{"],
  ["bytes that are no UTF-8", Buffer.from([0x22, 0xff, 0x22])],
  ["an array", "[]"],
  ["null", "null"],
  ["a number", "1"],
  ["an unknown member", `{"safeconduct-unknown":1}`],
  ["__proto__", `{"__proto__":{"isAdmin":true}}`],
  ["a member twice", `{"a":1,"a":2}`],
  ["depth", `{"a":${"[".repeat(5_000)}${"]".repeat(5_000)}}`],
  ["size", `{"a":"${"x".repeat(70_000)}"}`],
  ["U+0000", `{"reason":"a\\u0000","session":"\\u0000","name":"\\u0000","token":"\\u0000","csr":"\\u0000"}`],
  ["half of a character", `{"reason":"\\ud800"}`],
  ["a number beyond 2^53", `{"lifetimeSeconds":99999999999999999999}`],
]

/** Values that each member of a schema is given in turn; none is right for every type. */
const wrong: Json[] = [null, -1, 1.5, "", "x".repeat(5_000), [], [null], {}, { a: { b: [] } }, true]

describe("every route", { timeout: 60_000 }, () => {
  let deployment: TestDeployment
  let server: Running
  const callers = new Map<string, Caller>()
  before(async () => {
    deployment = await testDeployment()
    server = await deployment.serve()
    await apply(server.rooms, "server", parseDocument(document))
    callers.set("nobody", await caller(server, null))
    callers.set("agent", await caller(server, { kind: "agent", name: "bot" }))
    for (const role of ["admin", "operator", "auditor", "approver"] as const) {
      callers.set(role, await caller(server, { kind: "operator", name: role, roles: [role] }))
    }
  })
  after(async () => {
    for (const each of callers.values()) each[Symbol.dispose]()
    await deployment[Symbol.asyncDispose]()
  })

  const pathOf = ({ path }: Route<never, never>) =>
    path
      .replace("{N...}", "000")
      .replace("{L}", "0")
      .replaceAll(/\{\w+\}/g, "unknown")
  /** Whoever gets past the right: the agent where it is an agent's, else the admin. */
  const entitled = ({ right }: Route<never, never>) => callers.get(right === "agent" ? "agent" : "admin")!

  test("answers each identity as the table says", async () => {
    const rows = routes.map(async (route) => {
      const body = route.method === "GET" ? {} : { body: "{}" }
      const answers = [...callers.values()].map((each) => each.call(route.method, pathOf(route), body))
      const statuses = (await Promise.all(answers)).map(({ status }) => status)
      return `${`${route.method} ${route.path}`.padEnd(50)} ${statuses.join(" ")}`
    })
    const heading = `${"".padEnd(50)} ${[...callers.keys()].join(" ")}`
    const actual = `\n${[heading, ...(await Promise.all(rows)).sort()].join("\n")}\n`
    assert.equal(actual, golden, `\n${actual}`)
  })

  test("is on the web only where it needs no identity or is an agent's, and on ops only where it needs none", async () => {
    const found = async (base: string) => {
      const asked = routes.map(async (route) => {
        const { status, headers } = await fetch(new URL(pathOf(route), base), { method: route.method })
        const isThere = status !== 405 && (status !== 404 || !(headers.get("content-type") ?? "").includes("problem"))
        return isThere || route.path.startsWith("/log/tile/{L}") ? [route.path] : []
      })
      return [...new Set((await Promise.all(asked)).flat())].sort()
    }
    assert.deepEqual(await found(server.webUrl), onWeb)
    assert.deepEqual(await found(server.opsUrl), ["/livez", "/log/tile/{L}/{N...}", "/metrics", "/readyz"])
    for (const { path, listeners, right } of routes) {
      if (listeners.includes("ops")) assert.equal(right, "public", path)
      if (!listeners.includes("web") || right === "public" || right === "application") continue
      assert.ok(right === "identified" || roles.agent.includes(right), path)
    }
  })

  test("of an agent, called on the web without a proof, answers 401 and how to prove it", async () => {
    const ofAgents = routes.filter(({ right }) => right !== "public" && right !== "application")
    for (const route of ofAgents.filter(({ listeners }) => listeners.includes("web"))) {
      const { method, bodyType } = route
      const { status, headers } = await fetch(new URL(pathOf(route), server.webUrl), { method })
      assert.match(headers.get("dpop-nonce") ?? "", /^[\w-]{22}$/, route.path)
      if (bodyType === "form") assert.equal(status, 400)
      else assert.deepEqual([status, headers.get("www-authenticate")], [401, 'DPoP algs="ES256"'], route.path)
    }
  })

  test("with a body refuses every malformed one, and never stumbles", async () => {
    const odd: string[] = []
    const tries = routes
      .filter(({ method }) => method !== "GET")
      .flatMap((route) =>
        malformed.map(async ([what, body]) => {
          const { status, json, text } = await entitled(route).call(route.method, pathOf(route), { body })
          const isProblem = typeof json?.["code"] === "string" || typeof json?.["error"] === "string"
          if (status < 400 || status >= 500 || !isProblem)
            odd.push(`${route.method} ${route.path} ${what}: ${status} ${text}`)
        }),
      )
    await Promise.all(tries)
    assert.deepEqual(odd, [])
  })

  test("with a body refuses wrong types of each member, and never stumbles", async () => {
    const odd: string[] = []
    const tries = routes
      .filter(({ body, bodyType }) => body !== undefined && bodyType !== "form")
      .flatMap((route) => {
        const { properties = {} } = schemaOf(route)
        return Object.keys(properties).flatMap((name) =>
          wrong.map(async (value) => {
            const body = JSON.stringify({ [name]: value })
            const { status, text } = await entitled(route).call(route.method, pathOf(route), { body })
            if (status < 400 || status >= 500)
              odd.push(`${route.method} ${route.path} ${body.slice(0, 60)}: ${status} ${text}`)
          }),
        )
      })
    assert.ok(tries.length > 100)
    await Promise.all(tries)
    assert.deepEqual(odd, [])
  })

  test("takes no query, no path and no header that makes it stumble", async () => {
    const odd: string[] = []
    const tries = routes.flatMap((route) => {
      const paths = ["%00", "%2e%2e%2f", "%ff", "a".repeat(4_000), "null", "__proto__", "constructor"].map((each) =>
        route.path.replaceAll(/\{\w+(\.\.\.)?\}/g, each),
      )
      const queries = ["limit=-1", "limit=1e9", "from=99999999999999", "session=%00", "state=x&state=y", "__proto__=1"]
      return [...paths, ...queries.map((query) => `${pathOf(route)}?${query}`)].map(async (path) => {
        const { status, text } = await entitled(route).call(route.method, path)
        const isOps = route.path === "/readyz" || route.path === "/livez"
        if (status >= 500 && !isOps) odd.push(`${route.method} ${path.slice(0, 80)}: ${status} ${text}`)
      })
    })
    await Promise.all(tries)
    assert.deepEqual(odd, [])
  })

  test("is left with the log whole: everything that was refused is recorded or changed nothing", async () => {
    assert.equal(server.rooms.audit.fork, null)
    const { json } = await callers.get("admin")!.call("GET", "/v1/agents/bot")
    assert.equal(json?.["state"], "active")
  })
})

type Described = { properties?: { [name: string]: Json }; required?: string[] }

function schemaOf(route: Route<never, never>): Described {
  const { paths } = openApiOf([route], "0") as {
    paths: Record<string, Record<string, { requestBody: { content: Record<string, { schema: Described }> } }>>
  }
  return Object.values(Object.values(paths)[0]!)[0]!.requestBody.content["application/json"]!.schema
}

describe("the OpenAPI document of all routes", () => {
  const api = openApiOf(routes, "1.2.3") as { [name: string]: Json }
  const nodes: { [name: string]: Json }[] = []
  const walk = (value: Json): void => {
    if (typeof value !== "object" || value === null) return
    if (!Array.isArray(value)) nodes.push(value)
    for (const each of Object.values(value)) walk(each)
  }
  walk(api)
  type Operation = {
    operationId: string
    parameters?: { name: string; in: string }[]
    responses: object
    summary: string
  }
  const operations = Object.entries(api["paths"] as Record<string, Record<string, Operation>>).flatMap(
    ([path, methods]) => Object.entries(methods).map(([method, operation]) => ({ path, method, ...operation })),
  )

  test("refers to nothing that is not in it", () => {
    const references = nodes.flatMap(({ $ref }) => (typeof $ref === "string" ? [$ref] : []))
    assert.ok(references.length > 10)
    for (const reference of references) {
      const found = reference
        .slice(2)
        .split("/")
        .reduce<unknown>((at, name) => (at as Record<string, unknown>)?.[name], api)
      assert.ok(reference.startsWith("#/") && found !== undefined, reference)
    }
  })

  test("names each operation once, and each parameter of its path", () => {
    assert.equal(operations.length, routes.length)
    assert.equal(new Set(operations.map(({ operationId }) => operationId)).size, operations.length)
    for (const { path, method, operationId, parameters = [], responses, summary } of operations) {
      assert.match(operationId, /^[a-z]+[A-Za-z0-9]*$/)
      assert.match(method, /^(get|put|post|delete)$/)
      const inPath = parameters.filter((each) => each.in === "path").map(({ name }) => name)
      assert.deepEqual(
        inPath,
        [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name),
        path,
      )
      assert.ok(summary.length > 5 && Object.keys(responses).length === 2, path)
    }
  })

  test("has no two paths that differ in the names of parameters only (OpenAPI 3.1 §4.8.8.2)", () => {
    const shapes = Object.keys(api["paths"] as object).map((path) => path.replaceAll(/\{\w+\}/g, "{}"))
    assert.equal(new Set(shapes).size, shapes.length)
  })

  test("has exactly what OpenAPI 3.1 wants at its top", () => {
    assert.deepEqual(Object.keys(api), ["openapi", "info", "paths", "components"])
    assert.match(String(api["openapi"]), /^3\.1\.\d$/)
    assert.deepEqual((api["info"] as { version: string }).version, "1.2.3")
  })
})
