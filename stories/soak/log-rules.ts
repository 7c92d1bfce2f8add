import type { DecisionRecord, Entry, LeaseRecord, LogRecord, SessionRecord, Violation } from "./record.ts"

/** What the configuration says, as its owner knows it. */
export type Caps = {
  leases: number
  leasesPerSession: number
  /** Operations that no policy allows. */
  forbidden: readonly string[]
}

/** Follows the log, entry by entry, and says what must not stand there. */
export type LogRules = {
  take(entry: Entry): void
  /** Says what should stand there by now and does not. `lateBy` stretches a deadline by what nobody can help. */
  due(nowMs: number, lateBy: (deadlineMs: number) => number): void
}

/** How long after its deadline an intent may wait to be called missing, and an intended lease to be ended. */
const SWEEP_MS = 30_000
/** What credentials gives an intended lease. */
const INTENT_MS = 60_000
/** How long a session may stay open that was opened while its agent was being suspended. */
const VOID_MS = 10_000

const ENDS = ["credentials.lease-revoked", "credentials.lease-expired", "credentials.lease-failed"]
const SESSION_ENDS = ["sessions.ended", "sessions.lapsed", "sessions.expired"]
const OUTCOMES = [
  "gate.action-succeeded",
  "gate.action-failed",
  "gate.action-discarded",
  "credentials.lease-issued",
  "credentials.lease-failed",
]

const FAILED = ["gate.action-failed", "credentials.lease-failed"]

/** Rules over an empty record, which they fill. */
export function createLogRules(record: LogRecord, caps: Caps, tell: (violation: Violation) => void): LogRules {
  const suspended = new Set<string>()
  const undecided = new Set<DecisionRecord>()
  const unconfirmed = new Set<LeaseRecord>()
  const voids = new Set<SessionRecord>()
  const openOf = new Map<string, number>()
  /** Ids of allowed credential actions, by session: a lease names the action that it was allowed by. */
  const allowed = new Map<string, string>()
  let version: unknown
  let last = -1

  const wrong = (rule: string, entry: Entry, what: string) =>
    tell({ rule, what: `${entry.event} (${entry.id}): ${what}`, atMs: entry.atMs, index: entry.index })

  const sessionOf = (entry: Entry): SessionRecord | undefined => {
    const session = record.sessions.get(entry.session ?? "")
    if (session === undefined) wrong("session-unknown", entry, `no session ${entry.session} was opened`)
    return session
  }
  /** Why nothing may be given to this session now, or undefined when it may. */
  const barred = (session: SessionRecord | undefined): string | undefined => {
    if (session?.endIndex !== undefined) return `its session ended at ${session.endIndex}`
    if (session !== undefined && suspended.has(session.agent)) return `agent ${session.agent} is suspended`
    if (session?.isVoid) return "its session was opened while the agent was suspended"
    return undefined
  }
  const leaseOf = (entry: Entry): LeaseRecord | undefined => {
    const lease = record.leases.get(String(entry.data["lease"]))
    if (lease === undefined) wrong("lease-unintended", entry, `lease ${entry.data["lease"]} was never intended`)
    else if (lease.session !== entry.session) wrong("lease-unintended", entry, `the lease is of ${lease.session}`)
    return lease
  }
  const count = (lease: LeaseRecord, by: number, entry: Entry) => {
    for (const [key, most] of [
      [lease.resource, caps.leases],
      [`${lease.session} at ${lease.resource}`, caps.leasesPerSession],
    ] as const) {
      const open = (openOf.get(key) ?? 0) + by
      if (open === 0) openOf.delete(key)
      else openOf.set(key, open)
      if (by > 0 && open > most) wrong("cap-exceeded", entry, `${open} open leases of ${key}, at most ${most} may be`)
    }
  }

  const sessions = (entry: Entry) => {
    const { event, session: id = "", index, atMs } = entry
    if (event === "sessions.opened") {
      if (record.sessions.has(id)) return wrong("session-twice", entry, "it was opened before")
      const agent = entry.agent!.name
      const isVoid = suspended.has(agent)
      const session: SessionRecord = { id, agent, openedIndex: index, openedAtMs: atMs, isVoid }
      record.sessions.set(id, session)
      if (isVoid) voids.add(session)
    } else if (SESSION_ENDS.includes(event)) {
      const session = sessionOf(entry)
      if (session === undefined) return
      if (session.endIndex !== undefined) return wrong("session-end-twice", entry, `it ended at ${session.endIndex}`)
      Object.assign(session, { endIndex: index, endAtMs: atMs })
      voids.delete(session)
    } else if (event === "sessions.token-issued") {
      // An agent's own token is of no session.
      if (entry.session !== undefined) sessionOf(entry)
      // One that came too late may be recorded if it was withheld: answers.ts finds whoever was given it.
      record.tokens.set(String(entry.data["jti"]), { index, atMs })
    } else if (event === "sessions.renewed") {
      const session = sessionOf(entry)
      if (session?.endIndex !== undefined) wrong("after-end", entry, barred(session)!)
    }
  }

  const decision = (entry: Entry) => {
    const session = sessionOf(entry)
    const verdict = entry.event === "gate.action-begun" ? "allow" : "deny"
    const { id, index, atMs, action, deadlineMs = Number.POSITIVE_INFINITY } = entry
    const made: DecisionRecord = {
      entry: id,
      index,
      atMs,
      verdict,
      session: entry.session!,
      agent: entry.agent!.name,
      action: action!,
      deadlineMs,
    }
    record.decisions.set(id, made)
    if (verdict === "deny") return
    if (entry.deadlineMs === undefined) wrong("no-deadline", entry, "an intent without a deadline is never missed")
    if (caps.forbidden.includes(action!.operation)) wrong("forbidden-allowed", entry, `operation ${action!.operation}`)
    const outdated = entry.data["policyVersion"] !== version
    const reason = barred(session) ?? (outdated ? `it was decided by ${entry.data["policyVersion"]}` : undefined)
    if (reason !== undefined) made.mustBeDiscarded = reason
    undecided.add(made)
    if (action!.type === "credential") allowed.set(action!.id, entry.session!)
  }

  const outcome = (entry: Entry) => {
    const made = record.decisions.get(entry.of ?? "")
    // A denial is thrown away too, and taken anew, when what it stood on changed.
    const isDecision = made?.verdict === "allow" || (made && entry.event === "gate.action-discarded")
    if (made === undefined || !isDecision) {
      return wrong("outcome-of-nothing", entry, `${entry.of} is no allowed action`)
    }
    if (made.session !== entry.session) wrong("outcome-of-nothing", entry, `the action is of ${made.session}`)
    // The gate says that the action failed, and credentials, as soon as it is so, that nothing of its lease is left.
    const isSame = FAILED.includes(entry.event) && FAILED.includes(made.outcome ?? "") && made.outcome !== entry.event
    if (isSame) return
    if (made.outcome !== undefined) return wrong("outcome-twice", entry, `${made.entry} had ${made.outcome}`)
    const isGiven = entry.event === "gate.action-succeeded" || entry.event === "credentials.lease-issued"
    if (isGiven && made.mustBeDiscarded !== undefined) wrong("released-too-late", entry, made.mustBeDiscarded)
    made.outcome = entry.event
    undecided.delete(made)
  }

  const missing = (entry: Entry) => {
    const made = record.decisions.get(entry.of ?? "")
    if (made === undefined) return
    if (made.isMissing || made.outcome !== undefined) wrong("missing-twice", entry, `${made.entry} had its outcome`)
    made.isMissing = true
    undecided.delete(made)
  }

  const leases = (entry: Entry) => {
    const { event, data, index, atMs } = entry
    if (event === "credentials.lease-intended") {
      const session = sessionOf(entry)
      const id = String(data["lease"])
      if (record.leases.has(id)) return wrong("lease-twice", entry, "it was intended before")
      if (allowed.get(entry.action?.id ?? "") !== entry.session) {
        wrong("lease-unallowed", entry, `no allowed action ${entry.action?.id} stands before it in its session`)
      }
      const lease: LeaseRecord = {
        id,
        session: entry.session!,
        agent: session?.agent ?? "",
        resource: String(data["resource"]),
        operation: String(data["operation"]),
        role: String(data["role"]),
        intendedAtMs: atMs,
      }
      record.leases.set(id, lease)
      record.leaseByRole.set(lease.role, lease)
      unconfirmed.add(lease)
      return count(lease, 1, entry)
    }
    const lease = leaseOf(entry)
    if (lease === undefined) return
    if (event === "credentials.lease-issued") {
      if (lease.issuedIndex !== undefined) wrong("lease-twice", entry, `it was issued at ${lease.issuedIndex}`)
      if (lease.endIndex !== undefined) wrong("lease-after-end", entry, `it ended at ${lease.endIndex}`)
      const reason = barred(record.sessions.get(lease.session))
      const isOver = record.sessions.get(lease.session)?.endIndex !== undefined
      if (reason !== undefined) wrong(isOver ? "after-end" : "while-suspended", entry, reason)
      const by = record.decisions.get(entry.of ?? "")?.action
      const isSame = by?.resource === lease.resource && by.operation === lease.operation && by.type === "credential"
      if (!isSame) wrong("lease-unallowed", entry, `${entry.of} did not allow it`)
      lease.issuedIndex = index
      record.leaseByAccount.set(`${lease.resource}/${data["oid"]}`, lease)
      lease.expiresAtMs = Date.parse(String(data["expiresAt"]))
      lease.hardEndAtMs = Date.parse(String(data["hardEndAt"]))
      unconfirmed.delete(lease)
    } else if (event === "credentials.lease-renewed") {
      if (lease.issuedIndex === undefined || lease.endIndex !== undefined) {
        wrong("lease-after-end", entry, `issued ${lease.issuedIndex}, ended ${lease.endIndex}`)
      }
      const session = record.sessions.get(lease.session)
      if (session?.endIndex !== undefined) wrong("after-end", entry, barred(session)!)
      lease.expiresAtMs = Date.parse(String(data["expiresAt"]))
      if (lease.expiresAtMs > lease.hardEndAtMs!) wrong("past-hard-end", entry, `it would live to ${data["expiresAt"]}`)
    } else if (ENDS.includes(event)) {
      if (lease.endIndex !== undefined) return wrong("lease-end-twice", entry, `it ended at ${lease.endIndex}`)
      Object.assign(lease, { endIndex: index, endAtMs: atMs })
      unconfirmed.delete(lease)
      count(lease, -1, entry)
    }
  }

  const stops = (entry: Entry, isStop: boolean) => {
    const agent = String(entry.data["agent"])
    if (isStop) suspended.add(agent)
    else suspended.delete(agent)
    const known = record.stops.get(agent) ?? []
    record.stops.set(agent, [...known, { index: entry.index, atMs: entry.atMs, isStop }])
  }

  return {
    take(entry) {
      if (entry.index !== last + 1) wrong("index-gap", entry, `it follows ${last}`)
      last = entry.index
      const { event } = entry
      if (event.startsWith("sessions.")) sessions(entry)
      else if (event === "gate.action-begun" || event === "gate.action-denied") decision(entry)
      else if (event === "audit.outcome-missing") missing(entry)
      else if (event === "agents.suspended" || event === "agents.retired") stops(entry, true)
      else if (event === "agents.resumed" || event === "agents.registered") stops(entry, false)
      else if (event === "agents.instance-enrolled") record.instances.add(String(entry.data["instance"]))
      else if (event === "policy.applied") {
        version = entry.data["digest"]
        record.versions.add(String(version))
      }
      if (event.startsWith("credentials.lease-")) leases(entry)
      // A lease that failed before its decision was confirmed names none.
      if (OUTCOMES.includes(event) && (event !== "credentials.lease-failed" || entry.of !== undefined)) outcome(entry)
    },
    due(nowMs, lateBy) {
      const late = (deadlineMs: number) => nowMs > deadlineMs + lateBy(deadlineMs)
      for (const made of undecided) {
        if (!late(made.deadlineMs + SWEEP_MS)) continue
        undecided.delete(made)
        tell({ rule: "outcome-never", what: `${made.entry} has no outcome and is not missed`, atMs: made.deadlineMs })
      }
      for (const lease of unconfirmed) {
        if (!late(lease.intendedAtMs + INTENT_MS + SWEEP_MS)) continue
        unconfirmed.delete(lease)
        tell({ rule: "intended-for-ever", what: `${lease.id} is neither issued nor ended`, atMs: lease.intendedAtMs })
      }
      for (const session of voids) {
        if (!late(session.openedAtMs + VOID_MS)) continue
        voids.delete(session)
        tell({
          rule: "void-session-open",
          what: `${session.id} of a stopped agent is not ended`,
          atMs: session.openedAtMs,
        })
      }
    },
  }
}
