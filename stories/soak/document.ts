/** What the configuration of a soak allows; the checker is told the same, and holds the log against it. */
export const caps = { leases: 200, leasesPerSession: 4, forbidden: ["edit", "drop"] }

/** Agents; `suspect` is suspended and resumed all the time. */
export const agents = ["worker", "runner", "clerk", "suspect"] as const

/** Seconds. A task takes one of these by chance. */
const purposes = {
  errand: { lifetimeSeconds: 12, hardEndSeconds: 40, idleSeconds: 30, leaseSeconds: 6 },
  brief: { lifetimeSeconds: 4, hardEndSeconds: 5, idleSeconds: 5, leaseSeconds: 5 },
  idle: { lifetimeSeconds: 6, hardEndSeconds: 60, idleSeconds: 3, leaseSeconds: 20 },
}

/** A configuration; every other `version` leases for longer and has no policy that lets anybody search. */
export function documentOf(ports: { [resource: string]: number }, version: number): object {
  const isOdd = version % 2 === 1
  const locations = Object.keys(ports)
  const detail = {
    type: "safeconduct_action",
    actions: ["credential:read", "credential:edit", "tool:search", "tool:drop", "sql:drop"],
    locations,
  }
  const allowed = [{ type: "credential", operation: "read" }, ...(isOdd ? [] : [{ type: "tool", operation: "search" }])]
  const longer = (times: { leaseSeconds: number }) => ({ ...times, leaseSeconds: times.leaseSeconds + (isOdd ? 1 : 0) })
  return {
    purposes: mapped(purposes, (session) => ({ description: "Load", actions: [detail], session: longer(session) })),
    resources: mapped(ports, (port, database) => ({
      engine: "postgres",
      host: "127.0.0.1",
      port,
      database,
      tls: "disable",
      operations: { read: { groupRole: "kb_read" }, edit: { groupRole: "kb_read" } },
      limits: {
        leases: caps.leases,
        leasesPerSession: caps.leasesPerSession,
        connectionsPerLease: 5,
        scramIterations: 1,
      },
    })),
    agents: Object.fromEntries(
      agents.map((name) => [
        name,
        { owner: "soak@example.org", description: "Load", purposes: Object.keys(purposes), ceiling: [detail] },
      ]),
    ),
    policies: agents.map((name) => ({
      file: `${name}.cedar`,
      text: allowed
        .map(
          ({ type, operation }) =>
            `@id("${name}-${operation}") permit (principal == agents::Agent::"${name}", action == policy::Action::"${type}", resource) when { context.operation == "${operation}" };`,
        )
        .join("\n"),
    })),
  }
}

/** Names of the purposes. */
export const purposeNames: readonly string[] = Object.keys(purposes)

function mapped<From, To>(values: Record<string, From>, map: (value: From, name: string) => To): Record<string, To> {
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [name, map(value, name)]))
}
