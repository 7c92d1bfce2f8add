import type { AgentPrincipal } from "#agents"
import { type Change, takeIntent, together } from "#audit"
import type { Issued } from "#credentials"
import { Refusal, traced } from "#kernel"
import { aboutSession, refuseOtherSession } from "#sessions"
import { actionReference } from "./action.ts"
import { type ActionRequest, admit, type Permit } from "./admit.ts"
import { actor, type Rooms } from "./rooms.ts"

/** The answer to an action; `handed` is there only for an allowed credential. */
export type Acted = Permit & { handed: Issued | null }

/**
 * Admits an action, and where it is a credential makes it: then the gate itself is the enforcement point and finishes it.
 * The entry that says so is the lease's own; a replay, which makes nothing, gets one of the gate's.
 */
export async function act(rooms: Rooms, caller: AgentPrincipal, request: ActionRequest): Promise<Acted> {
  const { type } = request.action
  const permit = await traced("gate.admit", { "safeconduct.action.type": type }, async (note) => {
    const admitted = await admit(rooms, caller, request)
    note({ "safeconduct.verdict": admitted.decision.verdict, "safeconduct.entry": admitted.entry })
    return admitted
  })
  if (permit.lease === null) return { ...permit, handed: null }
  const { lease, entry } = permit
  const { id, isReplay, resource } = lease
  let handed: Issued
  try {
    handed = await traced("credentials.issue", { "safeconduct.resource": resource }, () =>
      rooms.credentials.issue(lease, { id: entry }),
    )
  } catch (error) {
    const code = error instanceof Refusal ? error.code : "internal"
    // An entry that cannot be written now is missed by audit's sweep; the caller learns what went wrong.
    const hasNoEffect = !isReplay && (await wasNeverLive(rooms, id))
    await finish(rooms, caller, permit, "gate.action-failed", { code }, hasNoEffect).catch((unwritten: unknown) =>
      rooms.log.warn("the failure of an action is not recorded", { entry: permit.entry, error: unwritten }),
    )
    throw error
  }
  // A crash here leaves a replay's entry, whose outcome audit's sweep calls missing; the lease has its own.
  if (isReplay) await finish(rooms, caller, permit, "gate.action-succeeded", { lease: id, replay: true })
  return { ...permit, handed }
}

/** True when nobody was given the credential: only who made it lets it live, and a replay hands out none that does not. */
async function wasNeverLive({ credentials }: Rooms, lease: string): Promise<boolean> {
  return await credentials.lease(lease).then(
    ({ liveAt }) => liveAt === null,
    () => false,
  )
}

/** What an enforcement point reports once an allowed action is over. */
export type Outcome = { outcome: "succeeded" | "failed"; detail?: string | undefined }

/**
 * Records the outcome of an action of the caller's, once; for a day also after it was called missing, and then says that
 * it is late. Throws `not-found` for an entry that is no action of the caller's, or whose outcome was recorded before.
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
  if (leaf.session !== undefined) refuseOtherSession(caller, leaf.session)
  await rooms.audit.commit({
    work: async (tx) => {
      const taken = await takeIntent(tx, entryId)
      if (taken === null) throw notOpen()
      return taken
    },
    entries: ({ isLate }) => [
      {
        event: outcome === "succeeded" ? "gate.action-succeeded" : "gate.action-failed",
        ...actor(caller),
        ...(leaf.session === undefined ? {} : { session: leaf.session }),
        ...(leaf.purpose === undefined ? {} : { purpose: leaf.purpose }),
        ...(leaf.user === undefined ? {} : { user: leaf.user }),
        ...(leaf.application === undefined ? {} : { application: leaf.application }),
        ...(leaf.chain === undefined ? {} : { chain: leaf.chain }),
        ...(leaf.action === undefined ? {} : { action: leaf.action }),
        of: entryId,
        ...(isLate ? { data: { late: true } } : {}),
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
  { action, entry, standing, spent }: Permit,
  event: string,
  data: Record<string, string | boolean>,
  hasNoEffect = false,
): Promise<void> {
  const draft = {
    event,
    ...actor(caller),
    ...aboutSession(standing.session),
    action: actionReference(action),
    of: entry,
  }
  const outcome: Change<{ isLate: boolean } | null> = {
    work: (tx) => takeIntent(tx, entry),
    // Null: its outcome is recorded already, and only the answer that said so was lost.
    entries: (taken) => (taken === null ? [] : [{ ...draft, data: taken.isLate ? { ...data, late: true } : data }]),
  }
  const { usage } = rooms.sessions
  // What nobody was given took nothing of a limit.
  if (hasNoEffect && spent !== null) await rooms.audit.commit(together(outcome, usage.giveBack(spent)))
  else await rooms.audit.commit(outcome)
}
