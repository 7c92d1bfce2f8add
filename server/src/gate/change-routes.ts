import { z } from "zod"
import type { OperatorPrincipal, Principal } from "#agents"
import { Refusal, type Route, route } from "#kernel"
import type { ProposedChange } from "#policy"
import { applyAlone, compare, documentSchema } from "./apply.ts"
import { approveChange, denyChange, findChange, needsTwo, propose, type WaitingChange } from "./change.ts"
import type { Rooms } from "./rooms.ts"

/** A configuration with all its policies, schemas and entities. */
const MAX_DOCUMENT_BYTES = 1024 * 1024
const applySchema = z.strictObject({ document: documentSchema, expected: z.string().max(100).nullable().optional() })
const diffSchema = z.strictObject({ document: documentSchema })
const signatureSchema = z.strictObject({ signature: z.string().max(16_384) })

/** Putting a configuration in force, by one operator or by two. */
export function changeRoutes(rooms: Rooms): Route<Principal | null, never>[] {
  return [
    route<Principal | null, z.infer<typeof diffSchema>>({
      method: "POST",
      path: "/v1/policy/diff",
      listeners: ["agents"],
      right: "read-policy",
      events: null,
      summary: "What a configuration would change, checked as apply would",
      body: diffSchema,
      maxBodyBytes: MAX_DOCUMENT_BYTES,
      handle: ({ body }) => compare(rooms, body.document),
    }),
    route<Principal | null, z.infer<typeof applySchema>>({
      method: "PUT",
      path: "/v1/policy",
      listeners: ["agents"],
      right: "apply-policy",
      events: [
        "policy.applied",
        "policy.change-proposed",
        "sessions.purposes-replaced",
        "approvals.configured",
        "agents.registered",
        "agents.changed",
        "agents.retired",
        "agents.operator-changed",
        "agents.operator-signed-out",
      ],
      summary: "Put a configuration in force, all or nothing; where a second operator has to sign it, 202 and a change",
      body: applySchema,
      maxBodyBytes: MAX_DOCUMENT_BYTES,
      async handle({ caller, body: { document, expected } }) {
        const operator = operatorOf(caller)
        if (needsTwo(rooms)) return waiting(rooms, await propose(rooms, operator, document, expected))
        return await applyAlone(rooms, operator.spiffeId, document, expected)
      },
    }),
    route<Principal | null, undefined>({
      method: "GET",
      path: "/v1/policy/changes",
      listeners: ["agents"],
      right: "read-policy",
      events: null,
      summary: "Changes of the configuration that wait for a second operator, or did",
      handle: async () => ({ changes: (await rooms.policy.changes.list()).map((each) => changeView(rooms, each)) }),
    }),
    route<Principal | null, undefined>({
      method: "GET",
      path: "/v1/policy/changes/{id}",
      listeners: ["agents"],
      right: "read-policy",
      events: null,
      summary: "One of them, with its document and what it would change",
      async handle({ params }) {
        const { change, lines } = await findChange(rooms, params["id"]!)
        return { ...changeView(rooms, change), lines, document: change.document }
      },
    }),
    route<Principal | null, z.infer<typeof signatureSchema>>({
      method: "POST",
      path: "/v1/policy/changes/{id}/approval",
      listeners: ["agents"],
      right: "approve-changes",
      events: ["policy.change-approved", "policy.applied"],
      summary: "Sign a change that another operator proposed, and put it in force",
      body: signatureSchema,
      handle: ({ caller, params, body }) => approveChange(rooms, operatorOf(caller), params["id"]!, body.signature),
    }),
    route<Principal | null, undefined>({
      method: "POST",
      path: "/v1/policy/changes/{id}/denial",
      listeners: ["agents"],
      right: "approve-changes",
      events: ["policy.change-denied"],
      summary: "Deny a change that waits",
      async handle({ caller, params }) {
        await denyChange(rooms, operatorOf(caller), params["id"]!)
        return {}
      },
    }),
  ]
}

/** RFC 9110 §15.3.3: kept, and not in force. */
function waiting(rooms: Rooms, { change, lines }: WaitingChange): Response {
  const detail = "Another operator has to sign this before it is in force: safeconduct policy approve, with this id."
  return new Response(JSON.stringify({ ...changeView(rooms, change), lines, detail }), {
    status: 202,
    headers: { "content-type": "application/json", "cache-control": "no-store" },
  })
}

function changeView({ approvals: { issuer } }: Rooms, { document: _, operator: __, ...change }: ProposedChange) {
  const { proposedAt, expiresAt, decidedAt } = change
  return {
    ...change,
    issuer,
    proposedAt: proposedAt.toISOString(),
    expiresAt: expiresAt.toISOString(),
    decidedAt: decidedAt?.toISOString() ?? null,
  }
}

function operatorOf(caller: Principal | null): OperatorPrincipal {
  if (caller?.kind !== "operator") throw new Refusal("wrong-role", "Only an operator may do this.")
  return caller
}
