import { z } from "zod"
import { type Json, type Route, refusals } from "#kernel"

type Schema = { [name: string]: Json }
type AnyRoute = Route<unknown, never> | Route<never, never>

const problem: Schema = { $ref: "#/components/responses/Problem" }
const oauthError: Schema = { $ref: "#/components/responses/OAuthError" }
const page: Schema = { description: "A page for people.", content: { "text/html": {} } }

/**
 * A certificate proves who calls, and on the web listener a proof by the agent's key. The right is in `x-safeconduct-right`,
 * because it is a role's and no scope of OAuth.
 */
const SECURED: Schema[] = [{ mutualTLS: [] }]
const SECURED_ON_WEB: Schema[] = [...SECURED, { dpop: [] }]

/**
 * The routes as an OpenAPI 3.1 document (https://spec.openapis.org/oas/v3.1.1). Pure; operations come in the order of
 * their paths, so that the file changes only where the interface does. Throws on two routes of one method and path.
 */
export function openApiOf(routes: readonly AnyRoute[], version: string): Schema {
  const paths: { [path: string]: { [method: string]: Json } } = {}
  for (const route of routes.toSorted(byPath)) {
    const path = documentedPath(route.path)
    const method = route.method.toLowerCase()
    if (paths[path]?.[method] !== undefined) throw new Error(`${route.method} ${path} is there twice`)
    paths[path] = { ...paths[path], [method]: operationOf(route) }
  }
  return {
    openapi: "3.1.1",
    info: {
      title: "Safeconduct",
      version,
      summary: "Identity, sessions, policy, just-in-time credentials and a verifiable record for AI agents.",
      license: { name: "Apache-2.0", identifier: "Apache-2.0" },
    },
    paths,
    components: {
      securitySchemes: {
        mutualTLS: { type: "mutualTLS", description: "An X.509-SVID of this trust domain, TLS 1.3." },
        dpop: {
          type: "http",
          scheme: "dpop",
          description: "On the web listener: a token of POST /oauth2/token, and a DPoP proof (RFC 9449).",
        },
      },
      schemas: { Problem: problemSchema(), OAuthError: oauthErrorSchema(), Json: { description: "Any JSON value." } },
      responses: {
        Problem: {
          description: "Refused: a stable code, and what to do about it (RFC 9457).",
          content: { "application/problem+json": { schema: { $ref: "#/components/schemas/Problem" } } },
        },
        OAuthError: {
          description: "Refused, in the words of RFC 6749 §5.2.",
          content: { "application/json": { schema: { $ref: "#/components/schemas/OAuthError" } } },
        },
      },
    },
  }
}

/** Orders routes by path, then by method. */
export function byPath(a: AnyRoute, b: AnyRoute): number {
  const [left, right] = [a, b].map(({ path, method }) => `${path} ${method}`) as [string, string]
  return left < right ? -1 : left > right ? 1 : 0
}

function operationOf(route: AnyRoute): Schema {
  const isForm = route.bodyType === "form"
  const parameters = [...pathParameters(route.path), ...queryParameters(route.query)]
  return {
    operationId: operationId(route),
    tags: [tagOf(route.path)],
    summary: route.summary,
    ...(parameters.length > 0 ? { parameters } : {}),
    ...(route.body === undefined ? {} : { requestBody: bodyOf(route.body, isForm) }),
    responses: {
      [String(route.status ?? 200)]: route.isPage === true ? page : answerOf(route.answer),
      default: route.isPage === true ? page : isForm ? oauthError : problem,
    },
    security: securityOf(route),
    "x-safeconduct-right": route.right,
    "x-safeconduct-events": route.events === null ? [] : [...route.events],
    "x-safeconduct-listeners": [...route.listeners],
  }
}

/** At the token endpoint itself a client assertion authenticates, which OpenAPI has no scheme for (RFC 7523). */
function securityOf({ right, listeners, bodyType }: AnyRoute): Schema[] {
  // An application authenticates in the form, which the body's schema has.
  if (right === "public" || right === "enrol" || right === "application") return []
  return listeners.includes("web") && bodyType !== "form" ? SECURED_ON_WEB : SECURED
}

function bodyOf(body: z.ZodType, isForm: boolean): Schema {
  const type = isForm ? "application/x-www-form-urlencoded" : "application/json"
  return { required: !body.safeParse({}).success, content: { [type]: { schema: jsonSchema(body, "input") } } }
}

function answerOf(answer: z.ZodType | undefined): Schema {
  if (answer === undefined) return { description: "Done." }
  return { description: "Done.", content: { "application/json": { schema: jsonSchema(answer, "output") } } }
}

function pathParameters(path: string): Schema[] {
  return [...path.matchAll(/\{(\w+)(\.\.\.)?\}/g)].map(([, name]) => ({
    name: name!,
    in: "path",
    required: true,
    schema: { type: "string" },
  }))
}

function queryParameters(query: z.ZodType | undefined): Schema[] {
  if (query === undefined) return []
  const { properties = {}, required = [] } = jsonSchema(query, "input") as {
    properties?: { [name: string]: Schema }
    required?: string[]
  }
  return Object.entries(properties).map(([name, schema]) => ({
    name,
    in: "query",
    required: required.includes(name),
    schema,
  }))
}

/** JSON Schema 2020-12, which OpenAPI 3.1 embeds as it is. What JSON cannot describe becomes the schema that allows all. */
function jsonSchema(schema: z.ZodType, io: "input" | "output"): Schema {
  const { $schema: _, $defs, ...rest } = z.toJSONSchema(schema, { io, unrepresentable: "any", target: "draft-2020-12" })
  // A reference is read from the document's root, where `$defs` of a schema inside are not.
  const names = Object.entries($defs ?? {}).map(([name, definition]) => {
    if (JSON.stringify(definition).replaceAll(name, "") === anyJson) return name
    throw new Error("a schema that refers to itself needs a place in components")
  })
  const text = JSON.stringify(rest)
  return JSON.parse(names.reduce((all, name) => all.replaceAll(`#/$defs/${name}`, ANY_JSON), text)) as Schema
}

/** Where the document has what may be any JSON value. */
const ANY_JSON = "#/components/schemas/Json"

/** What zod makes of `z.json()`, without its name for it. */
const anyJson = JSON.stringify(z.toJSONSchema(z.object({ value: z.json() })).$defs?.["__schema0"]).replaceAll(
  "__schema0",
  "",
)

/** `/v1/sessions/{id}/renewal` and POST become `postSessionsByIdRenewal`: stable, because it is made of what is. Pages have names like it. */
function operationId({ method, path, isPage }: AnyRoute): string {
  const own = isPage === true || /^\/(approvals|me)\//.test(path) ? `/page${path}` : path
  const words = own
    .replace(/^\/v1\//, "/")
    .replaceAll(/\{(\w+)(\.\.\.)?\}/g, "by-$1")
    .split(/[^A-Za-z0-9]+/)
    .filter((word) => word !== "")
  return method.toLowerCase() + words.map((word) => word[0]!.toUpperCase() + word.slice(1)).join("")
}

/** The room whose noun the path carries; other paths belong to the house's standard ones. */
function tagOf(path: string): string {
  return /^\/v1\/([a-z]+)/.exec(path)?.[1] ?? "standard"
}

/** OpenAPI knows no parameter of several segments: `{rest...}` is written `{rest}`. */
function documentedPath(path: string): string {
  return path.replaceAll("...}", "}")
}

function problemSchema(): Schema {
  return {
    type: "object",
    required: ["type", "title", "status", "code", "detail", "retryable"],
    properties: {
      type: { type: "string", format: "uri-reference" },
      title: { type: "string" },
      status: { type: "integer" },
      detail: { type: "string", description: "What happened and what to do, for the caller." },
      code: { enum: Object.keys(refusals), description: "Stable; contract/refusals.json says what each means." },
      retryable: { type: "boolean", description: "True when the same request may succeed later, unchanged." },
    },
  }
}

function oauthErrorSchema(): Schema {
  return {
    type: "object",
    required: ["error"],
    properties: { error: { type: "string" }, error_description: { type: "string" } },
  }
}
