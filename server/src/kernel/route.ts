import type { z } from "zod"

/** Which socket a route is served on: agents (mutual TLS), web (browser TLS or loopback), ops (loopback). */
export type Listener = "agents" | "web" | "ops"

/**
 * Who may call. `public`: anybody. `enrol`: whoever holds a join token. `agent`: an active agent instance. `application`: a
 * registered one, which authenticates in the form itself (RFC 7523).
 * The rest belong to operators' roles (agents/roles.ts).
 */
export type Right =
  | "public"
  | "enrol"
  | "agent"
  | "application"
  | "identified"
  | "read-agents"
  | "manage-agents"
  | "manage-operators"
  | "read-sessions"
  | "end-sessions"
  | "read-policy"
  | "apply-policy"
  | "approve-changes"
  | "confirm-passkeys"
  | "read-credentials"
  | "manage-credentials"
  | "read-audit"
  | "read-keys"
  | "manage-keys"
  | "ask-policy"
  | "request-access"

/** What a handler gets: everything parsed, nothing raw. */
export type RouteRequest<Caller, Body> = {
  caller: Caller
  params: Record<string, string>
  query: Record<string, string>
  body: Body
  headers: Headers
  /** The listener that it came in by. */
  listener: Listener
}

/** A handler's answer: a value that becomes JSON, or a Response of its own. */
export type RouteAnswer = unknown

/** One operation of the HTTP interface, as data: a route without a right does not compile. */
export type Route<Caller = unknown, Body = unknown> = {
  method: "GET" | "POST" | "PUT" | "DELETE"
  /** RFC 6570 level 1 path, such as /v1/sessions/{id}. */
  path: string
  listeners: readonly Listener[]
  right: Right
  /** Audit events it may leave; null for a reading route that leaves none. */
  events: readonly string[] | null
  summary: string
  /**
   * Which access token is good here: one of the session that the request is about (unless told), the agent's own, which
   * is of no session, or either of them.
   */
  tokenOf?: "session" | "agent" | "either"
  /** True where an access token that is an approval is good too: for the action that was approved, and nothing else. */
  takesApproval?: true
  /** Schema of the JSON body; absent for routes without one. */
  body?: z.ZodType<Body>
  /** `form` for RFC 6749 endpoints and for pages; JSON otherwise. */
  bodyType?: "json" | "form"
  /** True where it is people who read the answer: a refusal is a page too. It answers with a Response of its own. */
  isPage?: true
  /** Bytes of the body at the most; 64 KiB unless told. */
  maxBodyBytes?: number
  /** True where a body of another media type than JSON is answered 400 and not 415, because a standard says so. */
  isOtherTypeBad?: boolean
  query?: z.ZodType<Record<string, string>>
  /** Schema of the answer's JSON, for the OpenAPI description. */
  answer?: z.ZodType
  /** Status of a successful answer, 200 unless told. */
  status?: number
  handle(request: RouteRequest<Caller, Body>): Promise<RouteAnswer> | RouteAnswer
}

/** Keeps the body's type between its schema and its handler. */
export function route<Caller, Body>(definition: Route<Caller, Body>): Route<Caller, never> {
  return definition as unknown as Route<Caller, never>
}
