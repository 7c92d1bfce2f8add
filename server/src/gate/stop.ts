import type { OperatorPrincipal, RevokedInstance } from "#agents"
import type { Lifter } from "#approvals"
import { type Change, together } from "#audit"
import type { Id } from "#kernel"
import { endSessionsOf, endSessionsOfInstances } from "./end.ts"
import type { Rooms } from "./rooms.ts"
import { isUnrecordable } from "./unrecorded.ts"

/**
 * Suspends, resumes or retires an agent. Stopping ends its sessions and revokes their leases before this resolves; its
 * connections are closed on every server as each takes in the new epoch, within 250 ms. While nothing can be recorded it is
 * stopped on this server, with all that this one holds of it, and the rest is owed: `entry` is the one that it will be.
 */
export async function setAgentState(
  rooms: Rooms,
  operator: OperatorPrincipal,
  name: string,
  to: "suspended" | "active" | "retired",
  reason: string,
): Promise<{ agent: string; state: string; entry?: Id<"entry"> }> {
  const { agents, credentials, audit, log } = rooms
  const by = operator.spiffeId
  if (to === "active") {
    // What was commanded here before comes before: or it would stop again whoever is resumed.
    await rooms.owed.enter()
    // Whoever stopped it by a report does not resume it.
    const lifting = rooms.approvals.reports.lift({ agent: name }, await lifterOf(rooms, operator))
    await audit.commit(together(lifting, agents.resume(name, reason, by)))
    await rooms.epoch.refresh()
    return { agent: name, state: to }
  }
  credentials.beginHeld({ agent: name }, `agent-${to}`, by)
  try {
    await audit.commit(stopping(rooms, { name, to, reason, by }))
  } catch (error) {
    if (!isUnrecordable(error)) throw error
    log.warn("an agent is stopped without the database", { agent: name, by, error })
    const id = agents.agent(name)?.id
    const entry = await rooms.owed.add({ what: "stop-agent", agent: name, ...(id && { id }), to, reason }, by)
    // A crash here leaves a line of the journal: whoever starts here next carries it out.
    return { agent: name, state: to, entry }
  }
  // A crash here leaves a stopped agent with open sessions: none of its requests is answered, and each server, as it takes
  // in the epoch or starts, ends them.
  await rooms.epoch.refresh()
  await endSessionsOf(rooms, new Set([name]))
  // Another server may have ended them first, and not have cut their connections yet.
  await credentials.revokeAll({ agent: name }, `agent-${to}`, by)
  return { agent: name, state: to }
}

/** Who the operator is to a report: somebody who signs in is the user that they are at their provider. */
export async function lifterOf({ agents }: Rooms, { operatorId, spiffeId }: OperatorPrincipal): Promise<Lifter> {
  const operator = (await agents.operators()).find(({ id }) => id === operatorId)
  return { by: spiffeId, user: operator?.user ?? null }
}

/**
 * Revokes one instance: its sessions end and their leases are revoked before this resolves. Each server refuses its key as it
 * takes in the new epoch, within 250 ms. While nothing can be recorded it is revoked on this server, with all that this one
 * holds of it, and the rest is owed: `entry` is the one that it will be. Throws `not-found`.
 */
export async function revokeInstance(
  rooms: Rooms,
  operator: OperatorPrincipal,
  of: RevokedInstance,
  reason: string,
): Promise<RevokedInstance & { entry?: Id<"entry"> }> {
  const by = operator.spiffeId
  // Of that agent only: another's instance is not found, and loses nothing.
  rooms.credentials.beginHeld({ agent: of.agent, instance: of.instance }, "instance-revoked", by)
  try {
    await rooms.audit.commit(revoking(rooms, { ...of, reason }, by))
  } catch (error) {
    if (!isUnrecordable(error)) throw error
    rooms.log.warn("an instance is revoked without the database", { ...of, by, error })
    const entry = await rooms.owed.add({ what: "revoke-instance", ...of, reason }, by)
    // A crash here leaves a line of the journal: whoever starts here next carries it out.
    await rooms.credentials.revokeAll({ instance: of.instance }, "instance-revoked", by)
    return { ...of, entry }
  }
  // A crash here leaves a revoked instance with open sessions: none of its requests is answered, and each server, as it takes
  // in the epoch or starts, ends them.
  await rooms.epoch.refresh()
  await endSessionsOfInstances(rooms, [of])
  // Another server may have ended them first, and not have cut their connections yet.
  await rooms.credentials.revokeAll({ instance: of.instance }, "instance-revoked", by)
  return of
}

/** The instance's end, the mark on its leases and the end of what it asked for, in one transaction. */
export function revoking(
  { agents, credentials, approvals }: Pick<Rooms, "agents" | "credentials" | "approvals">,
  { agent, instance, reason }: RevokedInstance & { reason: string },
  by: string,
): Change<unknown> {
  const change = agents.revokeInstance({ agent, instance }, reason, by)
  const withdrawal = approvals.withdraw({ instance }, "instance-revoked", by)
  // Leases first, as stopping() does.
  return together(
    credentials.marking({ instance }, "instance-revoked"),
    together(withdrawal, change),
  ) as Change<unknown>
}

/** Who is stopped, how and by whom; with an id only that registration of the name. */
export type Stop = { name: string; id?: string | undefined; to: "suspended" | "retired"; reason: string; by: string }

/** The agent's end, the mark on its leases and the end of what it asked for, in one transaction. */
export function stopping(
  { agents, credentials, approvals }: Pick<Rooms, "agents" | "credentials" | "approvals">,
  { name, id, to, reason, by }: Stop,
): Change<unknown> {
  const who = id === undefined ? name : { name, id }
  const change = to === "retired" ? agents.retire(who, reason, by) : agents.suspend(who, reason, by)
  const withdrawal = approvals.withdraw({ agent: name }, `agent-${to}`, by)
  // Leases first, as apply() does: whoever locks both in another order would wait for it, and it for them.
  const mark = credentials.marking({ agent: name }, `agent-${to}`)
  return together(mark, together(withdrawal, change)) as Change<unknown>
}
