import type { Principal } from "#agents"
import { collectEvidence, type Passkey, unknownApproval, writeBundle } from "#approvals"
import { Refusal, type Route, route } from "#kernel"
import type { Rooms } from "../rooms.ts"

/** Proving an approval to somebody who has neither our database nor our word, and keys that wait for somebody to know whose they are. */
export function evidenceRoutes(rooms: Rooms): Route<Principal | null, never>[] {
  const { approvals, audit } = rooms
  return [
    route<Principal | null, undefined>({
      method: "GET",
      path: "/v1/approvals/{id}/evidence",
      listeners: ["agents"],
      right: "read-audit",
      events: ["audit.read"],
      summary:
        "Everything that proves an approval offline: entries of the log with their proofs, and what they commit to",
      async handle({ caller, params }) {
        const approval = await approvals.find(params["id"]!)
        if (approval === null) throw unknownApproval()
        const passkey = (credentialId: string) => approvals.passkeys.find(credentialId)
        const text = writeBundle(await collectEvidence({ audit, passkey }, approval))
        const by = nameOf(caller)
        await audit.commit({ entries: () => [{ event: "audit.read", by, data: { approval: approval.id } }] })
        return new Response(text, { headers: { "content-type": "application/json", "cache-control": "no-store" } })
      },
    }),
    route<Principal | null, undefined>({
      method: "GET",
      path: "/v1/approvals/passkeys/waiting",
      listeners: ["agents"],
      right: "confirm-passkeys",
      events: null,
      summary: "Passkeys that were added after others were lost, and count later",
      handle: async () => ({ passkeys: (await approvals.passkeys.waiting()).map(waitingView) }),
    }),
    route<Principal | null, undefined>({
      method: "POST",
      path: "/v1/approvals/passkeys/{id}/confirmation",
      listeners: ["agents"],
      right: "confirm-passkeys",
      events: ["approvals.passkey-confirmed"],
      summary: "Say that such a passkey is its owner's: it counts from now on",
      async handle({ caller, params }) {
        const { result } = await audit.commit(approvals.passkeys.confirm(params["id"]!, nameOf(caller)))
        return waitingView(result)
      },
    }),
  ]
}

/** Not the user's own words for it: whoever confirms asks them. */
function waitingView({ id, user, credentialId, enrolledAt, countsFrom }: Passkey) {
  return {
    id,
    user,
    credentialId,
    enrolledAt: enrolledAt.toISOString(),
    countsFrom: countsFrom?.toISOString() ?? null,
  }
}

function nameOf(caller: Principal | null): string {
  if (caller === null) throw new Refusal("no-identity", "This takes an identity.")
  return caller.spiffeId
}
