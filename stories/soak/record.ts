/** An entry of the log as its readers get it (docs/reference/audit.md), with times in milliseconds since the Unix epoch. */
export type Entry = {
  index: number
  id: string
  event: string
  atMs: number
  agent?: { name: string; instance: string }
  session?: string
  action?: { id: string; type: string; resource: string; operation: string }
  data: Record<string, unknown>
  of?: string
  deadlineMs?: number
}

/** Something that must never be; `rule` is one of the list in README.md of this folder. */
export type Violation = { rule: string; what: string; atMs: number; index?: number }

/** A session as the log tells it. */
export type SessionRecord = {
  id: string
  agent: string
  openedIndex: number
  openedAtMs: number
  /** True when the agent was suspended as it was opened: it may only be ended. */
  isVoid: boolean
  endIndex?: number
  endAtMs?: number
}

/** A lease as the log tells it. */
export type LeaseRecord = {
  id: string
  session: string
  agent: string
  resource: string
  operation: string
  role: string
  intendedAtMs: number
  issuedIndex?: number
  expiresAtMs?: number
  hardEndAtMs?: number
  endAtMs?: number
  endIndex?: number
}

/** A decision as the log tells it. */
export type DecisionRecord = {
  entry: string
  index: number
  atMs: number
  verdict: "allow" | "deny"
  session: string
  agent: string
  action: NonNullable<Entry["action"]>
  deadlineMs: number
  /** Why it must not be released: it came too late, by the log's order. */
  mustBeDiscarded?: string
  outcome?: string
  isMissing?: boolean
}

/** All that the log has told so far. It grows by a few hundred bytes a decision and forgets nothing. */
export type LogRecord = {
  sessions: Map<string, SessionRecord>
  leases: Map<string, LeaseRecord>
  leaseByRole: Map<string, LeaseRecord>
  /** By `<resource>/<oid>`: a connection outlives its account's name. */
  leaseByAccount: Map<string, LeaseRecord>
  decisions: Map<string, DecisionRecord>
  /** By `jti`. */
  tokens: Map<string, { index: number; atMs: number }>
  instances: Set<string>
  /** Index of each stop and each resumption of an agent, in order. */
  stops: Map<string, { index: number; atMs: number; isStop: boolean }[]>
  versions: Set<string>
}

/** A record of nothing. */
export function emptyRecord(): LogRecord {
  return {
    sessions: new Map(),
    leases: new Map(),
    leaseByRole: new Map(),
    leaseByAccount: new Map(),
    decisions: new Map(),
    tokens: new Map(),
    instances: new Set(),
    stops: new Map(),
    versions: new Set(),
  }
}

/** Reads an entry's bytes. */
export function parseEntry(bytes: Uint8Array, index: number): Entry {
  const { at, deadline, data, ...rest } = JSON.parse(new TextDecoder().decode(bytes)) as Omit<Entry, "atMs"> & {
    at: string
    deadline?: string
  }
  const deadlineMs = deadline === undefined ? {} : { deadlineMs: Date.parse(deadline) }
  return { ...rest, index, atMs: Date.parse(at), data: data ?? {}, ...deadlineMs }
}
