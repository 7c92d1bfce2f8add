import type { AgentPrincipal, Agents } from "#agents"
import type { Audit, Draft } from "#audit"
import type { Credentials } from "#credentials"
import type { Clock, Epoch, Log } from "#kernel"
import type { Policy } from "#policy"
import type { Sessions } from "#sessions"

/** The rooms that the gate leads a conversation between. */
export type Rooms = {
  audit: Audit
  agents: Agents
  sessions: Sessions
  policy: Policy
  credentials: Credentials
  epoch: Epoch
  clock: Clock
  log: Log
}

/** Who acts, as entries name it. */
export function actor(caller: AgentPrincipal): Pick<Draft, "by" | "agent"> {
  return {
    by: caller.spiffeId,
    agent: { name: caller.name, instance: caller.instance, svid: caller.serial },
  }
}
