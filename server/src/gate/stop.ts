import type { OperatorPrincipal } from "#agents"
import { endSessionsOf } from "./end.ts"
import type { Rooms } from "./rooms.ts"

/**
 * Suspends, resumes or retires an agent. Stopping ends its sessions and revokes their leases before this resolves; its
 * connections are closed on every server as each takes in the new epoch, within 250 ms.
 */
export async function setAgentState(
  rooms: Rooms,
  operator: OperatorPrincipal,
  name: string,
  to: "suspended" | "active" | "retired",
  reason: string,
): Promise<{ agent: string; state: string }> {
  const { agents } = rooms
  const change = {
    suspended: () => agents.suspend(name, reason, operator.spiffeId),
    active: () => agents.resume(name, reason, operator.spiffeId),
    retired: () => agents.retire(name, reason, operator.spiffeId),
  }[to]
  await rooms.audit.commit(change())
  // A crash here leaves a stopped agent with open sessions: none of its requests is answered, and the next server to
  // take in the epoch ends them.
  await rooms.epoch.refresh()
  if (to !== "active") await endSessionsOf(rooms, new Set([name]))
  return { agent: name, state: to }
}
