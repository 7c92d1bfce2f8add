/**
 * Api: the HTTP interface. It turns requests into calls of the rooms' routes and answers into responses, and it decides
 * nothing: who calls is agents' judgement (identify.ts collects what it takes, by listener), what happens is the route's.
 *
 * Three listeners: `agents` (TLS 1.3 with client certificates), `web` (no certificates asked; agents prove their key with
 * each request) and `ops` (loopback health).
 * problem.ts is the one place where a refusal becomes a status; routes themselves are data that each room and the gate
 * offer (kernel/route.ts), and openapi.ts describes them.
 */
export * from "./application.ts"
export * from "./front.ts"
export * from "./health.ts"
export * from "./identify.ts"
export * from "./limiter.ts"
export * from "./listen.ts"
export * from "./openapi.ts"
export * from "./peer.ts"
export * from "./problem.ts"
export type { TokenVerifier } from "./token.ts"
