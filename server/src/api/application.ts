import type { TLSSocket } from "node:tls"
import type { Http2Bindings, HttpBindings } from "@hono/node-server"
import { type Context, Hono } from "hono"
import { holdersOf, mayCall, type Principal } from "#agents"
import { problemPage } from "#gate"
import { type Listener, type Log, Refusal, type Route, tracedRequest } from "#kernel"
import { answerJson } from "./answer.ts"
import { readFormBody, readJsonBody, readNoBody, readQuery } from "./body.ts"
import type { Identification, Presented } from "./identify.ts"
import type { Limiter } from "./limiter.ts"
import { honoPath, mostSpecificFirst, refuseOddPath } from "./path.ts"
import { oauthErrorResponse, problemResponse, refusalFor } from "./problem.ts"
import { heldTo, refuseOtherUse } from "./token.ts"

/** A route as the interface sees it: the caller is a principal, or nobody. */
export type ApiRoute = Route<Principal | null, never>

/** What an application is made of. */
export type ApplicationParts = {
  listener: Listener
  routes: readonly ApiRoute[]
  /** How callers say who they are; absent on a listener that knows nobody. */
  identification?: Identification
  /** Bounds enrolment and token requests by address. */
  limiter: Limiter
  log: Log
}

type Bindings = { Bindings: HttpBindings | Http2Bindings }

/** Answers requests; `node` holds Node's own request and response. The router's types stay inside: its users need not have them. */
export type Application = { fetch(request: Request, node?: object): Response | Promise<Response> }

/** The HTTP application of one listener: identify, check the right, parse, handle, answer. Nothing else is a route. */
export function createApplication(parts: ApplicationParts): Application {
  const app = new Hono<Bindings>({ strict: true })
  app.use(async (context, next) => {
    // AuthZEN 1.0 (request identification) asks it of its endpoints; elsewhere it helps to find a request in two logs.
    const given = context.req.raw.headers.get("x-request-id")
    // What is no name, or as long as a header may be, would come back through everything in between.
    const requestId = given !== null && /^[\x20-\x7e]{1,200}$/.test(given) ? given : null
    // Before the answer, which may be written without a Response (answer.ts).
    if (requestId !== null) context.env.outgoing?.setHeader("x-request-id", requestId)
    await next()
    if (requestId !== null && context.env.outgoing === undefined) context.res.headers.set("x-request-id", requestId)
  })
  app.use(async (context, next) => {
    refuseOddPath(context.req.raw.url)
    await next()
  })
  const routes = parts.routes.filter(({ listeners }) => listeners.includes(parts.listener))
  for (const [path, methods] of mostSpecificFirst(Map.groupBy(routes, ({ path }) => path))) {
    for (const each of methods) app.on(each.method, honoPath(path), (context) => timed(parts, each, context))
    app.all(honoPath(path), () => otherMethod(parts, methods))
  }
  app.notFound((context) => {
    const path = new URL(context.req.url).pathname
    return problemResponse(new Refusal("not-found", `There is nothing at ${path.slice(0, 100)}.`), parts.log)
  })
  app.onError((error) => problemResponse(error, parts.log))
  return app
}

/** With its span and its time. */
function timed(parts: ApplicationParts, route: ApiRoute, context: Context<Bindings>): Promise<Response> {
  const { method, path } = route
  return tracedRequest({ method, path, headers: context.req.raw.headers }, async (answered) => {
    const response = await answer(parts, route, context)
    const { outgoing } = context.env
    // What was written at once has its status there.
    answered(outgoing?.headersSent ? outgoing.statusCode : response.status)
    return response
  })
}

async function answer(parts: ApplicationParts, route: ApiRoute, context: Context<Bindings>): Promise<Response> {
  const headers = isOpen(parts, route) ? {} : (parts.identification?.headers?.() ?? {})
  const result = await handled(parts, route, context)
  if (!(result instanceof Response)) return answerJson(context.env, route.status ?? 200, result.value, headers)
  for (const [name, value] of Object.entries(headers)) result.headers.set(name, value)
  return result
}

/** What the route answered, or the refusal of whatever came before it. */
async function handled(
  parts: ApplicationParts,
  route: ApiRoute,
  context: Context<Bindings>,
): Promise<Response | { value: unknown }> {
  const request = context.req.raw
  let isRead = false
  try {
    takeTurn(parts, route, context)
    const readOnce = once(() => readBody(route, request))
    const presented = await present(parts, route, context, readOnce)
    await callerOf(parts, route, presented, request)
    const query = readQuery(request.url, route.query)
    const body = await readOnce()
    // Again: a body may take half a minute to arrive, and whoever sends it may have been stopped meanwhile.
    const judged = await callerOf(parts, route, presented, request)
    const params = context.req.param() as Record<string, string>
    const claims = judged === null ? null : await presented.claims(judged)
    if (claims !== null) refuseOtherUse(claims, route, { params, query, body })
    const caller = judged === null || claims === null ? judged : heldTo(claims, judged)
    isRead = true
    const result = await route.handle({
      caller,
      params,
      query,
      body: body as never,
      headers: request.headers,
      listener: parts.listener,
    })
    return result instanceof Response ? result : { value: result }
  } catch (error) {
    if (route.isPage === true) return problemPage(isRead ? refusalFor(error, parts.log) : unreadFor(error, parts.log))
    if (route.bodyType === "form") return oauthErrorResponse(error, parts.log, request.headers)
    return problemResponse(error, parts.log, isOpen(parts, route) ? undefined : parts.identification?.scheme)
  }
}

/**
 * What a link or a form has that none of ours would have is not repeated to people: whoever made the link would speak to them in
 * our name.
 */
function unreadFor(error: unknown, log: Log): Refusal {
  const refusal = refusalFor(error, log)
  if (refusal.code !== "invalid-request") return refusal
  return new Refusal(
    "invalid-request",
    "This link or form is none of ours. Go back to where you came from, and begin again.",
  )
}

function once<T>(work: () => Promise<T>): () => Promise<T> {
  let running: Promise<T> | undefined
  return () => (running ??= work())
}

function takeTurn({ limiter, identification }: ApplicationParts, route: ApiRoute, { env }: Context<Bindings>): void {
  const isToken = route.bodyType === "form" && route.right !== "application"
  const isBounded = route.right === "enrol" || (isToken && identification?.takesTurns !== true)
  // The socket's own address: forwarded headers are whatever the client likes them to be.
  if (isBounded) limiter.take(env.incoming.socket?.remoteAddress ?? "")
}

/** A public route never looks at who calls, so that a broken certificate or token cannot close it. */
function isOpen({ identification }: ApplicationParts, { right }: ApiRoute): boolean {
  return identification === undefined || right === "public" || right === "enrol" || right === "application"
}

const nobody: Presented = { judge: async () => null, claims: async () => null }

async function present(
  parts: ApplicationParts,
  route: ApiRoute,
  { env, req }: Context<Bindings>,
  body: () => Promise<unknown>,
): Promise<Presented> {
  if (isOpen(parts, route)) return nobody
  const socket = env.incoming.socket as TLSSocket
  return await parts.identification!.present({ request: req.raw, route, socket, body })
}

/** Who calls, with the right to; throws what the caller lacks. */
async function callerOf(
  { identification }: ApplicationParts,
  route: ApiRoute,
  presented: Presented,
  { headers }: Request,
): Promise<Principal | null> {
  const caller = await presented.judge()
  const verdict = mayCall(caller, route.right)
  if (verdict === "no-identity") throw new Refusal(verdict, identification?.hint ?? "This listener knows nobody.")
  if (verdict !== true) {
    const message = `This identity does not have the right "${route.right}"; ${holdersOf(route.right)} do.`
    throw new Refusal(verdict, message)
  }
  if (caller !== null && route.method !== "GET") refuseWebPage(headers)
  return caller
}

/** A browser that holds an SVID would send it for any page that asks; agents and operators' tools send no Origin. */
function refuseWebPage(headers: Headers): void {
  if (!headers.has("origin") && headers.get("sec-fetch-site") === null) return
  throw new Refusal("invalid-request", "Web pages may not call this. Use the command line or the SDK.")
}

async function readBody(route: ApiRoute, request: Request): Promise<unknown> {
  if (route.body === undefined) return await readNoBody(request)
  return route.bodyType === "form"
    ? await readFormBody(request, route.body)
    : await readJsonBody(request, route.body, route)
}

function otherMethod({ log }: ApplicationParts, routes: readonly ApiRoute[]): Response {
  const allowed = routes.flatMap(({ method }) => (method === "GET" ? ["GET", "HEAD"] : [method])).join(", ")
  const refusal = new Refusal("method-not-allowed", `This path takes ${allowed}.`)
  const isOAuth = routes.some(({ bodyType, isPage }) => bodyType === "form" && isPage !== true)
  const response = isOAuth ? oauthErrorResponse(refusal, log) : problemResponse(refusal, log)
  // RFC 9110 §15.5.6
  response.headers.set("allow", allowed)
  return response
}
