import type { Database } from "#kernel"
import type { Agent, Operator } from "./principal.ts"
import { readSignIns } from "./signed-in/store.ts"
import { type InstanceListing, listInstances, readAgents, readOperators } from "./store.ts"

/** One enrolled key, as listings show it. Times are RFC 3339; `svidNotAfter` null when its last one is forgotten. */
export type InstanceView = { id: string; enrolledAt: string; revokedAt: string | null; svidNotAfter: string | null }

/** An agent with its instances. */
export type AgentListing = Agent & { instances: InstanceView[] }

/** An operator with its instances. */
export type OperatorListing = Operator & {
  instances: InstanceView[]
  /** Of who signs in: when the last sign-in ends; null when none is open, and for others. RFC 3339. */
  signedInUntil: string | null
}

/** Agents by name, retired ones last. */
export async function listAgents(database: Database): Promise<AgentListing[]> {
  const agents = await withInstances(database, await readAgents(database))
  return agents.sort((a, b) => Number(a.state === "retired") - Number(b.state === "retired"))
}

/** Operators by name; who signs in has the roles of the sign-ins that are open. */
export async function listOperators(database: Database): Promise<OperatorListing[]> {
  const signIns = Map.groupBy(await readSignIns(database), ({ operatorId }) => operatorId)
  const operators = await withInstances(database, await readOperators(database))
  return operators.map((operator) => {
    if (operator.user === null) return { ...operator, signedInUntil: null }
    const open = signIns.get(operator.id) ?? []
    const roles = [...new Set(open.flatMap((signIn) => signIn.roles))].sort()
    const last = Math.max(...open.map(({ untilMs }) => untilMs))
    return { ...operator, roles, signedInUntil: open.length === 0 ? null : new Date(last).toISOString() }
  })
}

async function withInstances<Owner extends { id: string }>(database: Database, owners: Owner[]) {
  const instances = Map.groupBy(await listInstances(database), ({ owner }) => owner)
  return owners.map((owner) => ({ ...owner, instances: (instances.get(owner.id) ?? []).map(viewOf) }))
}

function viewOf({ id, enrolledAt, revokedAt, svidNotAfter }: InstanceListing): InstanceView {
  const [revoked, ends] = [revokedAt, svidNotAfter].map((at) => at?.toISOString() ?? null) as [
    string | null,
    string | null,
  ]
  return { id, enrolledAt: enrolledAt.toISOString(), revokedAt: revoked, svidNotAfter: ends }
}
