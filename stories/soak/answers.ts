import type { Observation } from "./observations.ts"
import type { LogRecord, Violation } from "./record.ts"

/**
 * Compares what agents and operators were answered with the whole log: nothing was given that does not stand there, or that
 * stands there after it was taken away.
 */
export function compareAnswers(
  observations: Iterable<Observation>,
  record: LogRecord,
  tell: (violation: Violation) => void,
): number {
  const leaseOfKey = new Map<string, string>()
  let count = 0
  for (const seen of observations) {
    count += 1
    const wrong = (rule: string, what: string) => tell({ rule, what: `${seen.kind}: ${what}`, atMs: seen.atMs })
    for (const [rule, what] of complaints(seen, record, leaseOfKey)) wrong(rule, what)
  }
  return count
}

function* complaints(
  seen: Observation,
  record: LogRecord,
  leaseOfKey: Map<string, string>,
): Generator<[rule: string, what: string]> {
  const { sessions, leases, decisions, tokens, instances, stops, versions } = record
  switch (seen.kind) {
    case "wrong":
      return yield ["seen-wrong", seen.what]
    case "enrolled":
      if (!instances.has(seen.instance)) yield ["unrecorded", `instance ${seen.instance}`]
      return
    case "token": {
      const token = tokens.get(seen.jti)
      const session = sessions.get(seen.session)
      if (session === undefined) yield ["unrecorded", `session ${seen.session}`]
      if (token === undefined) yield ["unrecorded", `token ${seen.jti}`]
      else yield* givenLate(token, seen.session, record, `token ${seen.jti}`)
      return
    }
    case "decided": {
      const made = decisions.get(seen.entry)
      if (made === undefined || made.session !== seen.session) return yield ["unrecorded", `decision ${seen.entry}`]
      if ((seen.verdict === "allow") !== (made.verdict === "allow")) {
        yield ["answer-differs", `${seen.entry} was answered ${seen.verdict} and recorded ${made.verdict}`]
      }
      if (seen.verdict !== "allow") return
      if (made.outcome === "gate.action-discarded") yield ["released-too-late", `${seen.entry} was discarded`]
      if (made.mustBeDiscarded !== undefined) {
        yield ["released-too-late", `${seen.entry} was answered allow, and ${made.mustBeDiscarded}`]
      }
      return
    }
    case "leased": {
      const lease = leases.get(seen.lease)
      if (lease?.issuedIndex === undefined) return yield ["unrecorded", `lease ${seen.lease}`]
      if (lease.session !== seen.session || lease.role !== seen.role) yield ["answer-differs", `lease ${seen.lease}`]
      if (seen.key === undefined) return
      const first = leaseOfKey.get(seen.key) ?? seen.lease
      leaseOfKey.set(seen.key, first)
      if (first !== seen.lease) yield ["key-twice", `one Idempotency-Key gave ${first} and ${seen.lease}`]
      return
    }
    case "returned": {
      const lease = leases.get(seen.lease)
      if (lease?.endIndex === undefined) yield ["unrecorded", `the end of lease ${seen.lease}`]
      return
    }
    case "ended":
      if (sessions.get(seen.session)?.endIndex === undefined) yield ["unrecorded", `the end of ${seen.session}`]
      return
    case "outcome": {
      const made = decisions.get(seen.entry)
      if (made?.outcome === `gate.action-${seen.outcome}`) return
      yield ["unrecorded", `${seen.outcome} of ${seen.entry}; the log has ${made?.outcome}`]
      return
    }
    case "applied":
      if (!versions.has(seen.digest)) yield ["unrecorded", `version ${seen.digest}`]
      return
    case "stopped":
    case "resumed":
      if (!stops.has(seen.agent)) yield ["unrecorded", `${seen.kind} ${seen.agent}`]
      return
    default:
      return
  }
}

/** Until every server has heard of a stop, a token may leave for an agent that none of them answers any more. */
const STOPPED_MS = 1_000

/** What was recorded after its session's end, or while its agent was stopped, may be recorded and never given. */
function* givenLate(
  { index, atMs }: { index: number; atMs: number },
  sessionId: string,
  record: LogRecord,
  what: string,
): Generator<[rule: string, what: string]> {
  const session = record.sessions.get(sessionId)
  if (session?.endIndex !== undefined && index > session.endIndex) {
    yield [
      "released-too-late",
      `${what} was given; its session ended at ${session.endIndex}, it was issued at ${index}`,
    ]
  }
  const stop = (record.stops.get(session?.agent ?? "") ?? []).findLast((each) => each.index < index)
  if (stop?.isStop && atMs > stop.atMs + STOPPED_MS)
    yield ["released-too-late", `${what} was given while ${session!.agent} was stopped`]
}
