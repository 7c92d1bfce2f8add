import type { LeaseRecord, LogRecord, Violation } from "./record.ts"

/** What a look at a resource showed. `atMs` is before it: what stands there stood there then or later. */
export type Look = {
  resource: string
  atMs: number
  /** Accounts by name; until when they let anybody log in. */
  accounts: { role: string; oid: string; untilMs: number | null }[]
  /** Connections of such accounts, also of dropped ones. */
  connections: { oid: string; pid: number; startedAtMs: number }[]
}

/** Bounds, milliseconds. */
export type Bounds = {
  /** From a session's or a lease's end, or from the time its lease runs out, until nothing of it is at the resource. */
  gone: number
  /** How far an account may outlive the entry that calls its end read back. */
  readBack: number
  /** How long a connection may show up after that entry. */
  lateConnection: number
}

/** How long it took until nothing of a lease was at the resource, counted from its session's entry of the end. */
export type Gone = { ms: number; isTroubled: boolean }

/** Compares looks at resources with what the log says. */
export type ResourceRules = {
  look(look: Look): void
  /** Judges what was seen so far, as far as the log is read: `logAtMs` is the time of its newest entry. */
  judge(logAtMs: number, lateBy: (dueMs: number) => number): void
  /** Accounts that stood there at the last look. */
  readonly standing: number
  readonly seen: number
  /** Accounts that outlived their recorded end within what trouble allows. */
  readonly lateAccounts: number
  readonly gone: readonly Gone[]
}

type Account = {
  role: string
  resource: string
  oid: string
  firstMs: number
  lastMs: number
  /** First look without it. */
  goneMs?: number
  connectedMs?: number
  untilMs: number | null
  told: Set<string>
}

/** The log is read this much later than it is written; until then a look is not judged. */
const LOG_LAG_MS = 5_000
/** VALID UNTIL has microseconds, entries have milliseconds. */
const ROUNDING_MS = 2

/** Rules over the log's record. */
export function createResourceRules(
  record: Pick<LogRecord, "leaseByRole" | "leaseByAccount" | "sessions">,
  bounds: Bounds,
  tell: (violation: Violation) => void,
): ResourceRules {
  const accounts = new Map<string, Account>()
  /** Connections of accounts that are not remembered any more, or were not seen before: when each was seen last. */
  const strays = new Map<string, number>()
  const gone: Gone[] = []
  let seen = 0
  let lateAccounts = 0

  const once = (account: Account, rule: string, atMs: number, what: string) => {
    if (account.told.has(rule)) return
    account.told.add(rule)
    tell({ rule, what: `${account.role} at ${account.resource}: ${what}`, atMs })
  }

  /** What stands against the log's word that all of it is gone. */
  const afterEnd = (account: Account, endAtMs: number, lateBy: (dueMs: number) => number) => {
    const overMs = account.lastMs - endAtMs
    if (overMs > bounds.readBack) {
      if (overMs > bounds.readBack + lateBy(endAtMs + bounds.readBack)) {
        once(account, "account-after-end", endAtMs, `it stood there ${overMs} ms after its end was recorded`)
      } else if (!account.told.has("late")) {
        account.told.add("late")
        lateAccounts += 1
      }
    }
    const connectedMs = (account.connectedMs ?? 0) - endAtMs
    if (connectedMs > bounds.lateConnection + lateBy(endAtMs + bounds.lateConnection)) {
      once(account, "connection-after-end", endAtMs, `connected ${connectedMs} ms after its end was recorded`)
    }
  }
  /** What stands longer than its session, or its own time. */
  const overdue = (account: Account, lease: LeaseRecord, lateBy: (dueMs: number) => number) => {
    const sessionEndMs = record.sessions.get(lease.session)?.endAtMs
    for (const [rule, fromMs] of [
      ["account-after-session", sessionEndMs],
      ["account-after-expiry", lease.expiresAtMs],
    ] as const) {
      if (fromMs === undefined) continue
      const overMs = account.lastMs - fromMs
      if (overMs > bounds.gone + lateBy(fromMs + bounds.gone)) {
        once(account, rule, fromMs, `still there ${Math.round(overMs)} ms after`)
      }
    }
  }
  const finish = (account: Account, lease: LeaseRecord, lateBy: (dueMs: number) => number) => {
    const sessionEndMs = record.sessions.get(lease.session)?.endAtMs
    // One that was returned before its session ended says nothing about the session's end.
    if (sessionEndMs !== undefined && account.lastMs > sessionEndMs - bounds.gone && account.goneMs! > sessionEndMs) {
      gone.push({ ms: account.goneMs! - sessionEndMs, isTroubled: lateBy(sessionEndMs) > 0 })
    }
  }

  return {
    look({ resource, atMs, accounts: listed, connections }) {
      const present = new Set<string>()
      const byOid = new Map<string, Account>()
      for (const { role, oid, untilMs } of listed) {
        const key = `${resource}/${oid}`
        present.add(key)
        const account = accounts.get(key) ?? {
          role,
          resource,
          oid,
          firstMs: atMs,
          lastMs: atMs,
          untilMs,
          told: new Set(),
        }
        if (!accounts.has(key)) seen += 1
        accounts.set(key, Object.assign(account, { lastMs: atMs, untilMs }))
        delete account.goneMs
      }
      for (const [key, account] of accounts) {
        if (account.resource !== resource) continue
        if (!present.has(key)) account.goneMs ??= atMs
        byOid.set(account.oid, account)
      }
      for (const { oid } of connections) {
        const account = byOid.get(oid)
        if (account !== undefined) account.connectedMs = atMs
        else strays.set(`${resource}/${oid}`, atMs)
      }
    },
    judge(logAtMs, lateBy) {
      for (const [key, atMs] of strays) {
        if (atMs + LOG_LAG_MS >= logAtMs) continue
        strays.delete(key)
        const endAtMs = record.leaseByAccount.get(key)?.endAtMs
        const overMs = atMs - (endAtMs ?? Number.POSITIVE_INFINITY)
        if (overMs > bounds.lateConnection + lateBy(endAtMs! + bounds.lateConnection)) {
          tell({ rule: "connection-after-end", what: `${key}: connected ${overMs} ms after its end`, atMs })
        }
      }
      for (const [key, account] of accounts) {
        const lease = record.leaseByRole.get(account.role)
        if (lease === undefined) {
          if (account.firstMs + LOG_LAG_MS < logAtMs) {
            once(account, "account-unintended", account.firstMs, "the log has no intent for it")
          }
          continue
        }
        if (account.firstMs < lease.intendedAtMs - bounds.readBack) {
          once(account, "account-before-intent", account.firstMs, `intended only at ${lease.intendedAtMs}`)
        }
        if (lease.hardEndAtMs !== undefined && (account.untilMs ?? Infinity) > lease.hardEndAtMs + ROUNDING_MS) {
          once(account, "account-past-hard-end", account.lastMs, `it is valid until ${account.untilMs}`)
        }
        if (lease.endAtMs !== undefined) afterEnd(account, lease.endAtMs, lateBy)
        // A renewal may stand in the log behind what was read of it.
        if (account.lastMs + LOG_LAG_MS < logAtMs) overdue(account, lease, lateBy)
        const isQuiet = account.goneMs !== undefined && account.goneMs + 2 * LOG_LAG_MS < logAtMs
        if (isQuiet && lease.endAtMs !== undefined) {
          finish(account, lease, lateBy)
          accounts.delete(key)
        }
      }
    },
    get standing() {
      return [...accounts.values()].filter(({ goneMs }) => goneMs === undefined).length
    },
    get seen() {
      return seen
    },
    get lateAccounts() {
      return lateAccounts
    },
    gone,
  }
}
