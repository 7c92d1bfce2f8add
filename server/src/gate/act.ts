import type { AgentPrincipal } from "#agents"
import { takeIntent } from "#audit"
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

/**
 * Records the outcome of an action of the caller's, once. Throws `not-found` for an entry that is no action of the
 * caller's, or whose outcome was recorded before or called missing.
 */
export async function complete(
  rooms: Rooms,
  caller: AgentPrincipal,
  entryId: string,
  { outcome, detail }: Outcome,
): Promise<void> {
  const { leaf } = await rooms.audit.entry(entryId)
  const isOwn = leaf.event === "gate.action-begun" && leaf.agent?.instance === caller.instance
  if (!isOwn) throw notOpen()
  await rooms.audit.commit({
    work: async (tx) => {
      if (!(await takeIntent(tx, entryId))) throw notOpen()
    },
    entries: () => [
      {
        event: outcome === "succeeded" ? "gate.action-succeeded" : "gate.action-failed",
        ...actor(caller),
        ...(leaf.session === undefined ? {} : { session: leaf.session }),
        ...(leaf.purpose === undefined ? {} : { purpose: leaf.purpose }),
        ...(leaf.action === undefined ? {} : { action: leaf.action }),
        of: entryId,
        // What an agent says of itself is free text and may name people.
        ...(detail === undefined ? {} : { personal: { detail } }),
      },
    ],
  })
}

function notOpen(): Refusal {
  return new Refusal("not-found", "There is no open action of yours with this id.")
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
