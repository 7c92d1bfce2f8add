import type { TLSSocket } from "node:tls"
import type { Http2Bindings, HttpBindings } from "@hono/node-server"
import { type Context, Hono } from "hono"
import { mayCall, type Principal } from "#agents"
import { type Listener, type Log, Refusal, type Route } from "#kernel"
import { answerJson } from "./answer.ts"
import { readFormBody, readJsonBody, readNoBody, readQuery } from "./body.ts"
import type { Limiter } from "./limiter.ts"
import { honoPath, mostSpecificFirst, refuseOddPath } from "./path.ts"
import type { Peers } from "./peer.ts"
import { oauthErrorResponse, problemResponse } from "./problem.ts"
import { bearerToken, refuseOtherSession, type TokenVerifier } from "./token.ts"

/** A route as the interface sees it: the caller is a principal, or nobody. */
export type ApiRoute = Route<Principal | null, never>

/** What an application is made of. */
export type ApplicationParts = {
  listener: Listener
  routes: readonly ApiRoute[]
  /** Absent on listeners that know no certificates. */
  peers?: Peers
  /** Verifies an access token that comes along; without it every token is refused. */
  tokens?: TokenVerifier
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
    const requestId = context.req.raw.headers.get("x-request-id")
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
    for (const each of methods) app.on(each.method, honoPath(path), (context) => answer(parts, each, context))
    app.all(honoPath(path), () => otherMethod(parts, methods))
  }
  app.notFound((context) => {
    const path = new URL(context.req.url).pathname
    return problemResponse(new Refusal("not-found", `There is nothing at ${path.slice(0, 100)}.`), parts.log)
  })
  app.onError((error) => problemResponse(error, parts.log))
  return app
}

async function answer(parts: ApplicationParts, route: ApiRoute, context: Context<Bindings>): Promise<Response> {
  const isForm = route.bodyType === "form"
  const request = context.req.raw
  try {
    takeTurn(parts, route, context)
    await callerOf(parts, route, context)
    const query = readQuery(request.url, route.query)
    const body = await readBody(route, request)
    // Again: a body may take half a minute to arrive, and whoever sends it may have been stopped meanwhile.
    const caller = await callerOf(parts, route, context)
    const params = context.req.param() as Record<string, string>
    if (caller !== null) await checkToken(parts, { request, caller, isForm, named: { path: route.path, params, body } })
    const result = await route.handle({
      caller,
      params,
      query,
      body: body as never,
      headers: request.headers,
      listener: parts.listener,
    })
    if (result instanceof Response) return result
    return answerJson(context.env, route.status ?? 200, result)
  } catch (error) {
    return isForm ? oauthErrorResponse(error, parts.log, request.headers) : problemResponse(error, parts.log)
  }
}

function takeTurn({ limiter }: ApplicationParts, route: ApiRoute, { env }: Context<Bindings>): void {
  // The socket's own address: forwarded headers are whatever the client likes them to be.
  if (route.right === "enrol" || route.bodyType === "form") limiter.take(env.incoming.socket?.remoteAddress ?? "")
}

/** Who calls, with the right to; throws what the caller lacks. */
async function callerOf(
  parts: ApplicationParts,
  route: ApiRoute,
  context: Context<Bindings>,
): Promise<Principal | null> {
  // A public route never looks at a certificate, so that a broken one cannot close it.
  const isOpen = parts.peers === undefined || route.right === "public" || route.right === "enrol"
  const socket = context.env.incoming.socket as TLSSocket
  const forRenewal = route.path === "/v1/agents/renewals"
  const caller = isOpen ? null : await parts.peers!.identify(socket, { forRenewal })
  const verdict = mayCall(caller, route.right)
  if (verdict !== true) throw new Refusal(verdict, refusalSentence(verdict, route))
  if (caller !== null && route.method !== "GET") refuseWebPage(context.req.raw.headers)
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

type Presented = {
  request: Request
  caller: Principal
  isForm: boolean
  named: { path: string; params: Record<string, string>; body: unknown }
}

/** The certificate says who calls. A token that comes along is not ignored: it must be good here, and of this session. */
async function checkToken({ tokens }: ApplicationParts, { request, caller, isForm, named }: Presented): Promise<void> {
  const header = request.headers.get("authorization")
  if (header === null) return
  if (isForm) {
    // RFC 6749 §2.3: not more than one method in each request.
    throw new Refusal("identity-unknown", "The certificate authenticates the client here; leave Authorization out.")
  }
  const claims = await bearerToken(header, caller, tokens)
  refuseOtherSession(claims, named)
}

function otherMethod({ log }: ApplicationParts, routes: readonly ApiRoute[]): Response {
  const allowed = routes.flatMap(({ method }) => (method === "GET" ? ["GET", "HEAD"] : [method])).join(", ")
  const refusal = new Refusal("method-not-allowed", `This path takes ${allowed}.`)
  const isForm = routes.some(({ bodyType }) => bodyType === "form")
  const response = isForm ? oauthErrorResponse(refusal, log) : problemResponse(refusal, log)
  // RFC 9110 §15.5.6
  response.headers.set("allow", allowed)
  return response
}

function refusalSentence(code: string, route: ApiRoute): string {
  if (code === "no-identity") return "This route needs a client certificate (an SVID). Enrol with a join token first."
  return `This identity does not have the right "${route.right}".`
}
