import { z } from "zod"
import type { Principal } from "#agents"
import { type Route, route } from "#kernel"
import type { Sessions } from "./door.ts"
import { providerRoutes } from "./providers/index.ts"
import { endReasons, sessionView } from "./session.ts"

const time = z.iso.datetime()
const sessionAnswer = z.object({
  id: z.string(),
  agent: z.string(),
  instance: z.string(),
  purpose: z.string(),
  user: z.object({ id: z.string(), provider: z.string(), iss: z.string(), sub: z.string() }).nullable(),
  application: z.string().nullable(),
  parent: z.string().nullable(),
  chain: z.array(z.object({ session: z.string(), agent: z.string() })),
  state: z.enum(["open", "ended"]),
  endReason: z.enum(endReasons).nullable(),
  openedAt: time,
  expiresAt: time,
  hardEndAt: time,
  lastUsedAt: time,
  endedAt: time.nullable(),
})

const listQuery = z.strictObject({
  agent: z.string().max(200),
  state: z.enum(["open", "ended"]),
  limit: z.string().regex(/^([1-9]\d?|[1-4]\d\d|500)$/, "a number from 1 to 500"),
})

const document = z.looseObject({})

/** Routes that touch only sessions. Opening, renewing and ending cross rooms and are the gate's. */
export function routes(sessions: Sessions): Route<never, never>[] {
  return [
    ...providerRoutes(sessions.providers),
    route({
      method: "GET",
      path: "/v1/sessions",
      listeners: ["agents", "web"],
      right: "read-sessions",
      tokenOf: "either",
      events: null,
      summary: "Sessions, newest first; an agent sees its own",
      query: listQuery.partial() as unknown as z.ZodType<Record<string, string>>,
      answer: z.object({ sessions: z.array(sessionAnswer) }),
      async handle({ caller, query }: { caller: Principal; query: Record<string, string> }) {
        const { limit, ...filter } = query
        const found = await sessions.list(caller, { ...filter, limit: Number(limit ?? 100) })
        return { sessions: found.map(sessionView) }
      },
    }),
    route({
      method: "GET",
      path: "/v1/sessions/{id}",
      listeners: ["agents", "web"],
      right: "read-sessions",
      tokenOf: "either",
      events: null,
      summary: "One session; somebody else's is unknown to an agent",
      answer: sessionAnswer,
      handle: async ({ caller, params }: { caller: Principal; params: Record<string, string> }) =>
        sessionView(await sessions.find(params["id"] ?? "", caller)),
    }),
    route({
      method: "GET",
      path: "/v1/sessions/{id}/tree",
      listeners: ["agents", "web"],
      right: "read-sessions",
      tokenOf: "either",
      events: null,
      summary:
        "Every session of a chain, each after the one that handed it on; an agent sees its own, and what it handed on",
      answer: z.object({ sessions: z.array(sessionAnswer) }),
      async handle({ caller, params }: { caller: Principal; params: Record<string, string> }) {
        const found = await sessions.tree(params["id"] ?? "", caller)
        return { sessions: found.map(sessionView) }
      },
    }),
    route({
      method: "GET",
      path: "/.well-known/jwks.json",
      listeners: ["agents", "web"],
      right: "public",
      events: null,
      summary: "Public keys that tokens and mandates verify with (RFC 7517)",
      answer: z.object({ keys: z.array(document) }),
      handle: () => sessions.jwks(),
    }),
    route({
      method: "GET",
      path: "/.well-known/oauth-authorization-server",
      listeners: ["agents", "web"],
      right: "public",
      events: null,
      summary: "Authorization server metadata (RFC 8414)",
      answer: document,
      handle: () => sessions.metadata(),
    }),
    route({
      method: "GET",
      path: "/.well-known/openid-configuration",
      listeners: ["agents", "web"],
      right: "public",
      events: null,
      summary: "The same, where clients of OpenID CIBA look for it (OpenID Connect Discovery §4)",
      answer: document,
      handle: () => sessions.metadata(),
    }),
  ]
}
