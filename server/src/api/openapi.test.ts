import assert from "node:assert/strict"
import { test } from "node:test"
import { z } from "zod"
import { type Route, route } from "#kernel"
import { openApiOf } from "./openapi.ts"

type Plain = Route<unknown, never>

const open = route({
  method: "POST",
  path: "/v1/sessions",
  listeners: ["agents"],
  right: "agent",
  events: ["sessions.opened"],
  summary: "Opens a session",
  body: z.strictObject({ purpose: z.string().max(100), lifetimeSeconds: z.int().positive().optional() }),
  answer: z.object({ session: z.string() }),
  status: 201,
  handle: () => ({}),
}) as Plain
const read = route({
  method: "GET",
  path: "/v1/sessions/{id}",
  listeners: ["agents"],
  right: "read-sessions",
  events: null,
  summary: "Shows a session",
  query: z.object({ state: z.string(), from: z.string().optional() }) as unknown as z.ZodType<Record<string, string>>,
  handle: () => ({}),
}) as Plain
const token = route({
  method: "POST",
  path: "/oauth2/token",
  listeners: ["agents"],
  right: "agent",
  events: [],
  summary: "Issues an access token",
  bodyType: "form",
  body: z.object({ grant_type: z.string() }),
  handle: () => ({}),
}) as Plain
const tile = route({
  method: "GET",
  path: "/log/tile/{level}/{index...}",
  listeners: ["web"],
  right: "public",
  events: null,
  summary: "Serves a tile",
  handle: () => ({}),
}) as Plain

type Operation = Record<string, never> & { parameters: { name: string; in: string; required: boolean }[] }
const document = openApiOf([tile, token, read, open], "0.1.0") as unknown as {
  openapi: string
  paths: Record<string, Record<string, Operation>>
  components: Record<string, Record<string, Record<string, never>>>
}
const operation = (path: string, method: string) => JSON.parse(JSON.stringify(document.paths[path]?.[method] ?? null))

test("every route is an operation, in the order of the paths", () => {
  assert.equal(document.openapi, "3.1.1")
  const listed = ["/log/tile/{level}/{index}", "/oauth2/token", "/v1/sessions", "/v1/sessions/{id}"]
  assert.deepEqual(Object.keys(document.paths), listed)
  assert.deepEqual(openApiOf([open, read, tile, token], "0.1.0"), document)
})

test("a body's schema refuses what the parser refuses", () => {
  const { schema } = operation("/v1/sessions", "post").requestBody.content["application/json"]
  assert.deepEqual(schema.required, ["purpose"])
  assert.equal(schema.additionalProperties, false)
  assert.equal(schema.properties.purpose.maxLength, 100)
  assert.equal(schema.$schema, undefined)
})

test("an answer has the route's own status, and every other answer is a problem", () => {
  const { responses } = operation("/v1/sessions", "post")
  assert.deepEqual(Object.keys(responses), ["201", "default"])
  assert.equal(responses.default.$ref, "#/components/responses/Problem")
  assert.ok(responses["201"].content["application/json"].schema.properties.session)
})

test("an OAuth endpoint takes a form and answers in the words of RFC 6749", () => {
  const { requestBody, responses } = operation("/oauth2/token", "post")
  assert.deepEqual(Object.keys(requestBody.content), ["application/x-www-form-urlencoded"])
  assert.equal(responses.default.$ref, "#/components/responses/OAuthError")
})

test("only public routes and enrolment go without a certificate", () => {
  assert.deepEqual(operation("/log/tile/{level}/{index}", "get").security, [])
  assert.deepEqual(operation("/v1/sessions/{id}", "get").security, [{ mutualTLS: [] }])
  assert.equal(operation("/v1/sessions/{id}", "get")["x-safeconduct-right"], "read-sessions")
})

test("parameters of path and query are told apart, and which of them are needed", () => {
  const parameters = operation("/v1/sessions/{id}", "get").parameters as Operation["parameters"]
  assert.deepEqual(
    parameters.map(({ name, in: where, required }) => [name, where, required]),
    [
      ["id", "path", true],
      ["state", "query", true],
      ["from", "query", false],
    ],
  )
})

test("operation ids are unique and made of method and path", () => {
  assert.equal(operation("/v1/sessions/{id}", "get").operationId, "getSessionsById")
  assert.equal(operation("/log/tile/{level}/{index}", "get").operationId, "getLogTileByLevelByIndex")
})

test("two routes of one method and path are refused", () => {
  assert.throws(() => openApiOf([open, open], "0.1.0"), /twice/)
})

test("a problem's code is one of the refusals", () => {
  const codes = document.components.schemas!.Problem as unknown as { properties: { code: { enum: string[] } } }
  assert.ok(codes.properties.code.enum.includes("lease-ended"))
})
