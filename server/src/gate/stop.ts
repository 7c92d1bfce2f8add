import type { OperatorPrincipal } from "#agents"
import { together } from "#audit"
import { endSessionsOf } from "./end.ts"
import type { Rooms } from "./rooms.ts"

/**
 * Suspends, resumes or retires an agent. Stopping ends its sessions and revokes their leases before this resolves; its
 * connections are closed on every server as each takes in the new epoch, within 250 ms. When the log cannot be written,
 * what this server holds of the agent's is cut all the same, and the refusal is thrown afterwards.
 */
export async function setAgentState(
  rooms: Rooms,
  operator: OperatorPrincipal,
  name: string,
  to: "suspended" | "active" | "retired",
  reason: string,
): Promise<{ agent: string; state: string }> {
  const { agents, credentials } = rooms
  const change = {
    suspended: () => agents.suspend(name, reason, operator.spiffeId),
    active: () => agents.resume(name, reason, operator.spiffeId),
    retired: () => agents.retire(name, reason, operator.spiffeId),
  }[to]
  if (to !== "active") credentials.beginHeld({ agent: name }, `agent-${to}`, operator.spiffeId)
  // Leases first, as apply() does: whoever locks both in another order would wait for it, and it for them.
  const commit = () => rooms.audit.commit(together(credentials.marking({ agent: name }, `agent-${to}`), change()))
  await (to === "active" ? rooms.audit.commit(change()) : commit())
  // A crash here leaves a stopped agent with open sessions: none of its requests is answered, and each server, as it takes
  // in the epoch or starts, ends them.
  await rooms.epoch.refresh()
  if (to !== "active") await endSessionsOf(rooms, new Set([name]))
  return { agent: name, state: to }
}
