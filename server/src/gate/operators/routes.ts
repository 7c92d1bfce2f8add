import { z } from "zod"
import type { Principal } from "#agents"
import { type Route, route } from "#kernel"
import { visitOf } from "../consent/visit.ts"
import type { Rooms } from "../rooms.ts"
import { answerOperator, ownOperatorRequest, showOperator } from "./answer.ts"
import { beginOperator } from "./begin.ts"
import { type OperatorCode, redeemOperator } from "./redeem.ts"

type Fields = { [name: string]: string }

const asked = z.strictObject({
  redirect_uri: z.string().max(200).optional(),
  state: z.string().max(200).optional(),
  code_challenge: z.string().max(200).optional(),
}) as unknown as z.ZodType<Fields>
const answered = z.strictObject({
  form: z.string().max(100),
  decision: z.string().max(20).optional(),
}) as unknown as z.ZodType<Fields>
const codeSchema = z.strictObject({
  code: z.string().max(100),
  codeVerifier: z.string().regex(/^[A-Za-z0-9._~-]{43,128}$/, "is 43 to 128 characters (RFC 7636 §4.1)"),
  csr: z.string().max(8_192),
})

/** How operators and auditors sign in: a command line sends them here, and gets a certificate for its key. */
export function operatorSignInRoutes(rooms: Rooms): Route<Principal | null, never>[] {
  return [
    route<Principal | null, undefined>({
      method: "GET",
      path: "/sign-in/{provider}/operator",
      listeners: ["web"],
      right: "public",
      events: null,
      summary: "Sign in at that provider, so that a command line on the same machine may act as an operator",
      query: asked,
      isPage: true,
      handle: ({ params, query, headers }) => beginOperator(rooms, visitOf(rooms, headers), params["provider"]!, query),
    }),
    route<Principal | null, undefined>({
      method: "GET",
      path: "/sign-in/{provider}/operator/{id}",
      listeners: ["web"],
      right: "public",
      events: null,
      summary: "Which command line asks, and for which roles, shown to whoever signed in",
      isPage: true,
      async handle({ params, headers }) {
        const visit = visitOf(rooms, headers)
        return showOperator(visit, await ownOperatorRequest(rooms, visit, of(params)))
      },
    }),
    route<Principal | null, Fields>({
      method: "POST",
      path: "/sign-in/{provider}/operator/{id}",
      listeners: ["web"],
      right: "public",
      events: ["sessions.operator-allowed", "sessions.operator-denied"],
      summary: "The operator's answer; a yes leads back to the command line with a code",
      body: answered,
      bodyType: "form",
      isPage: true,
      async handle({ params, body, headers }) {
        const visit = visitOf(rooms, headers)
        return await answerOperator(rooms, visit, await ownOperatorRequest(rooms, visit, of(params)), body)
      },
    }),
    route<Principal | null, OperatorCode>({
      method: "POST",
      path: "/v1/agents/operators/sign-ins",
      listeners: ["agents"],
      right: "enrol",
      events: ["agents.operator-signed-in", "agents.operator-registered", "agents.svid-issued"],
      summary: "Turn an operator's sign-in and a signing request into an instance that ends with the sign-in",
      body: codeSchema,
      status: 201,
      handle: ({ body }) => redeemOperator(rooms, body),
    }),
  ]
}

function of(params: Fields): { provider: string; id: string } {
  return { provider: params["provider"]!, id: params["id"]! }
}
