import type { TLSSocket } from "node:tls"
import type { Http2Bindings, HttpBindings } from "@hono/node-server"
import { type Context, Hono } from "hono"
import { mayCall, type Principal } from "#agents"
import { type Listener, type Log, Refusal, type Route } from "#kernel"
import { readFormBody, readJsonBody, readQuery } from "./body.ts"
import type { Limiter } from "./limiter.ts"
import type { Peers } from "./peer.ts"
import { oauthErrorResponse, problemResponse } from "./problem.ts"

/** A route as the interface sees it: the caller is a principal, or nobody. */
export type ApiRoute = Route<Principal | null, never>

export type ApplicationParts = {
  listener: Listener
  routes: readonly ApiRoute[]
  /** Absent on listeners that know no certificates. */
  peers?: Peers
  /** Bounds enrolment and token requests by address. */
  limiter: Limiter
  log: Log
}

type Bindings = { Bindings: HttpBindings | Http2Bindings }

/** The HTTP application of one listener: identify, check the right, parse, handle, answer. Nothing else is a route. */
export function createApplication(parts: ApplicationParts): Hono<Bindings> {
  const app = new Hono<Bindings>({ strict: true })
  for (const each of parts.routes.filter(({ listeners }) => listeners.includes(parts.listener))) {
    app.on(each.method, honoPath(each.path), (context) => answer(parts, each, context))
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
  try {
    const caller = await callerOf(parts, route, context)
    const verdict = mayCall(caller, route.right)
    if (verdict !== true) throw new Refusal(verdict, refusalSentence(verdict, route))
    const request = context.req.raw
    const body =
      route.body === undefined
        ? undefined
        : isForm
          ? await readFormBody(request, route.body)
          : await readJsonBody(request, route.body)
    const result = await route.handle({
      caller,
      params: context.req.param() as Record<string, string>,
      query: readQuery(new URL(request.url), route.query),
      body: body as never,
      headers: request.headers,
    })
    if (result instanceof Response) return result
    return new Response(JSON.stringify(result), {
      status: route.status ?? 200,
      // RFC 6749 §5.1 asks it of token answers; nothing of ours may rest in a cache unless its route says so itself.
      headers: { "content-type": "application/json", "cache-control": "no-store" },
    })
  } catch (error) {
    return isForm ? oauthErrorResponse(error, parts.log) : problemResponse(error, parts.log)
  }
}

async function callerOf(
  parts: ApplicationParts,
  route: ApiRoute,
  context: Context<Bindings>,
): Promise<Principal | null> {
  const socket = context.env.incoming.socket
  if (route.right === "enrol" || route.bodyType === "form") parts.limiter.take(socket?.remoteAddress ?? "unknown")
  // A public route never looks at a certificate, so that a broken one cannot close it.
  if (parts.peers === undefined || route.right === "public" || route.right === "enrol") return null
  return await parts.peers.identify(socket as TLSSocket, { forRenewal: route.path === "/v1/agents/renewals" })
}

function refusalSentence(code: string, route: ApiRoute): string {
  if (code === "no-identity") return "This route needs a client certificate (an SVID). Enrol with a join token first."
  return `This identity does not have the right "${route.right}".`
}

/** RFC 6570 `{id}` becomes Hono's `:id`; `{rest...}` takes the remaining segments. */
function honoPath(path: string): string {
  return path.replaceAll(/\{(\w+)\.\.\.\}/g, ":$1{.+}").replaceAll(/\{(\w+)\}/g, ":$1")
}
