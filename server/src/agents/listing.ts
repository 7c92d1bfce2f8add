import type { Database } from "#kernel"
import type { Agent, Operator } from "./principal.ts"
import { type InstanceListing, listInstances, readAgents, readOperators } from "./store.ts"

/** One enrolled key, as listings show it. Times are RFC 3339; `svidNotAfter` null when its last one is forgotten. */
export type InstanceView = { id: string; enrolledAt: string; revokedAt: string | null; svidNotAfter: string | null }

/** An agent with its instances. */
export type AgentListing = Agent & { instances: InstanceView[] }

/** An operator with its instances. */
export type OperatorListing = Operator & { instances: InstanceView[] }

/** Agents by name, retired ones last. */
export async function listAgents(database: Database): Promise<AgentListing[]> {
  const agents = await withInstances(database, await readAgents(database))
  return agents.sort((a, b) => Number(a.state === "retired") - Number(b.state === "retired"))
}

/** Operators by name. */
export async function listOperators(database: Database): Promise<OperatorListing[]> {
  return await withInstances(database, await readOperators(database))
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
