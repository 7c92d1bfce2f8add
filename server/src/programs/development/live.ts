import type { Rooms } from "#gate"

/** One line of what happens: time, agent, for whom, what, and what became of it. */
export type Line = { index: number; at: string; who: string; what: string; became: string; kind: Kind; receipt: string }

type Kind = "allowed" | "denied" | "waits" | "approved" | "taken" | "other"

/** What the page shows of a deployment now. */
export type Live = {
  size: number
  lines: Line[]
  agents: { name: string; state: string; sessions: number }[]
  waiting: number
  leases: number
}

const SHOWN = 40

const WORDS: { readonly [event: string]: readonly [string, Kind] } = {
  "gate.action-begun": ["allowed", "allowed"],
  "gate.action-held": ["waits for a person", "waits"],
  "gate.action-denied": ["denied", "denied"],
  "gate.action-succeeded": ["done", "allowed"],
  "gate.action-failed": ["failed", "denied"],
  "gate.session-refused": ["session refused", "denied"],
  "approvals.requested": ["a person is asked", "waits"],
  "approvals.approved": ["approved", "approved"],
  "approvals.denied": ["denied by a person", "denied"],
  "approvals.reported": ["denied and reported", "taken"],
  "approvals.expired": ["nobody answered in time", "denied"],
  "approvals.refused": ["refused as a whole", "taken"],
  "approvals.passkey-enrolled": ["passkey enrolled", "other"],
  "credentials.lease-issued": ["credential made", "allowed"],
  "credentials.lease-revoked": ["credential revoked", "taken"],
  "sessions.opened": ["session opened", "other"],
  "sessions.ended": ["session ended", "taken"],
  "agents.suspended": ["agent stopped", "taken"],
  "agents.resumed": ["agent works again", "other"],
  "policy.applied": ["configuration in force", "other"],
}

/** Reads it. Of the log what a newcomer follows: decisions, people's answers, credentials. */
export async function liveOf(rooms: Rooms): Promise<Live> {
  const { audit, agents, approvals, sessions, credentials } = rooms
  const { size } = await audit.entries({ limit: 1 })
  const { entries } = await audit.entries({ from: Math.max(size - 4 * SHOWN, 0), limit: 256 })
  const lines = entries.flatMap(({ index, leaf }): Line[] => {
    const words = WORDS[leaf.event]
    if (words === undefined) return []
    const { action, agent, user, purpose, data } = leaf
    const lease = data as { resource?: string; operation?: string } | undefined
    const [operation, resource] = [action?.operation ?? lease?.operation, action?.resource ?? lease?.resource]
    const what = operation === undefined ? (purpose ?? "") : `${operation} ${resource}`
    const who = leaf.by.startsWith("user_")
      ? "a person"
      : `${agent?.name ?? leaf.by.split("/").at(-1)}${user === undefined ? "" : " for a user"}`
    const [became, kind] = words
    return [{ index, at: leaf.at, who, what: String(what), became, kind, receipt: leaf.id }]
  })
  const registered = await agents.list()
  const open = await Promise.all(registered.map(({ name }) => sessions.openOf({ agent: name })))
  const waiting = await approvals.list({ state: "requested" })
  const leases = await credentials.leases({ state: "live" })
  return {
    size,
    lines: lines.slice(-SHOWN),
    agents: registered.map(({ name, state }, at) => ({ name, state, sessions: open[at]!.length })),
    waiting: waiting.filter(({ isOpen }) => isOpen).length,
    leases: leases.length,
  }
}
