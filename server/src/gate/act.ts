import type { AgentPrincipal } from "#agents"
import type { Issued } from "#credentials"
import { Refusal } from "#kernel"
import { actionReference } from "./action.ts"
import { type ActionRequest, admit, type Permit } from "./admit.ts"
import { actor, type Rooms } from "./rooms.ts"

/** The answer to an action; `handed` is there only for an allowed credential. */
export type Acted = Permit & { handed: Issued | null }

/** Admits an action, and where it is a credential makes it: then the gate itself is the enforcement point and finishes it. */
export async function act(rooms: Rooms, caller: AgentPrincipal, request: ActionRequest): Promise<Acted> {
  const permit = await admit(rooms, caller, request)
  if (permit.lease === null) return { ...permit, handed: null }
  try {
    const handed = await rooms.credentials.issue(permit.lease, { id: permit.entry })
    return { ...permit, handed }
  } catch (error) {
    await finish(rooms, caller, permit, "gate.action-failed", {
      code: error instanceof Refusal ? error.code : "internal",
    })
    throw error
  }
}

/** What an enforcement point reports once an allowed action is over. */
export type Outcome = { outcome: "succeeded" | "failed"; detail?: string | undefined }

/** Records the outcome of an action of the caller's. Throws `not-found` for one that is not open or not the caller's. */
export async function complete(
  rooms: Rooms,
  caller: AgentPrincipal,
  entryId: string,
  { outcome, detail }: Outcome,
): Promise<void> {
  const intent = await rooms.audit.openIntent(entryId)
  if (intent?.agent?.instance !== caller.instance) {
    throw new Refusal("not-found", "There is no open action of yours with this id.")
  }
  await rooms.audit.commit({
    entries: () => [
      {
        event: outcome === "succeeded" ? "gate.action-succeeded" : "gate.action-failed",
        ...actor(caller),
        ...(intent.session === undefined ? {} : { session: intent.session }),
        ...(intent.action === undefined ? {} : { action: intent.action }),
        of: entryId,
        ...(detail === undefined ? {} : { data: { detail } }),
      },
    ],
  })
}

async function finish(
  rooms: Rooms,
  caller: AgentPrincipal,
  { action, entry, standing }: Permit,
  event: string,
  data: Record<string, string>,
): Promise<void> {
  await rooms.audit.commit({
    entries: () => [
      {
        event,
        ...actor(caller),
        session: standing.session.id,
        purpose: standing.session.purpose,
        action: actionReference(action),
        of: entry,
        data,
      },
    ],
  })
}
