import type { AgentPrincipal, Principal } from "#agents"
import type { Audit, Change } from "#audit"
import { type Clock, type Database, type Epoch, isId, type Keyring, type Log } from "#kernel"
import { createDatabaseClock } from "./database-clock.ts"
import { end, type Opening, open, renew } from "./lifecycle.ts"
import { type Purpose, type PurposesPart, parsePurposes } from "./purposes.ts"
import { openPurposes } from "./purposes-in-force.ts"
import type { EndReason, Session } from "./session.ts"
import { isOf, openStandings, type Standing, unknown } from "./standings.ts"
import { find, findDue, list, openOf } from "./store.ts"
import { clientCredentials, metadata, type TokenAnswer, type TokenForm, withToken } from "./token-endpoint.ts"
import { openTokenKeys } from "./token-keys.ts"
import { type IssuedToken, openTokens, type TokenClaims } from "./tokens.ts"
import { noteUse } from "./use.ts"

/** The sessions room. Expiry is judged by the database's clock; memory is as old as the epoch at the most. */
export interface Sessions extends AsyncDisposable {
  /** Checks the value of `purposes:`. Throws `policy-invalid` with `detail.path`. */
  parse(value: unknown): PurposesPart
  /** Puts purposes in force. `by` is the SPIFFE ID of who does. */
  replace(part: PurposesPart, by: string): Change<void>
  /** The purpose in force under this name; null when there is none. */
  purpose(name: string): Purpose | null
  /** Opens a session for an agent. Throws `purpose-unknown`, `purpose-not-allowed`. */
  open(opening: Opening): Change<Session>
  /** Another lifetime; `activeAtMs`, by this server's clock, is a use that touch() was not told of, such as a lease's. */
  renew(session: Session, caller: AgentPrincipal, activeAtMs?: number | null): Change<Session>
  /** Ends a session; idempotent. `by` is a SPIFFE ID, or "server". */
  end(id: string, reason: EndReason, by: string): Change<Session>
  /** The change, and a token for the session that it results in: what opening and renewing answer with. */
  withToken(change: Change<Session>, caller: AgentPrincipal): Change<{ session: Session; token: IssuedToken }>
  /** The caller's open session with its mandate, from memory. Throws `session-unknown`, `session-ended`, `session-expired`. */
  standing(id: string, caller: AgentPrincipal): Promise<Standing>
  /** Notes that the session was used now; the idle time counts from here. */
  touch(id: string): void
  /** A session in any state. An agent sees its own instance's only; everything else is `session-unknown`. */
  find(id: string, caller: Principal): Promise<Session>
  /** Newest first, at most 100 unless told. An agent sees its own instance's only. */
  list(caller: Principal, filter?: { agent?: string; state?: string; limit?: number }): Promise<Session[]>
  /** Every open session of an agent, all instances: what suspending it has to end. */
  openOf(agent: string): Promise<Session[]>
  /** Open sessions that are past their time, each with the reason to end it for, and milliseconds until the next will be. */
  due(limit?: number): Promise<{ due: { session: Session; reason: "lapsed" | "expired" }[]; nextInMs: number | null }>
  /** Claims of an access token on a connection with this client certificate. Throws `token-invalid`. */
  verifyToken(token: string, thumbprint: string): Promise<TokenClaims>
  /** The token endpoint (RFC 6749 §4.4). The token is recorded before it is returned. */
  clientCredentials(form: TokenForm, caller: AgentPrincipal): Promise<TokenAnswer>
  /** RFC 7517 §5 */
  jwks(): { keys: Record<string, unknown>[] }
  /** RFC 8414 */
  metadata(): Record<string, unknown>
  /** Makes a key that signs from ten minutes on; the old one goes on verifying. */
  rotateKey(by: string): Change<{ kid: string }>
}

/** What the room stands on. */
export type SessionsParts = {
  database: Database
  audit: Audit
  epoch: Epoch
  keyring: Keyring
  /** Public URL of the web listener. */
  issuer: string
  /** Public URL of the agents listener; the issuer's own until told. */
  mtlsUrl?: string
  clock: Clock
  log: Log
}

/** Opens the room: makes the first token key when there is none, loads the purposes, and follows the epoch. */
export async function openSessions(parts: SessionsParts): Promise<Sessions> {
  const { database, audit, epoch, issuer, clock } = parts
  const databaseClock = createDatabaseClock(clock)
  const keys = await openTokenKeys({ ...parts, databaseClock })
  const signing = { keys, issuer }
  const tokens = openTokens({ ...signing, databaseClock })
  const purposes = await openPurposes(parts)
  const standings = await openStandings({ ...signing, database, databaseClock })
  const use = noteUse({ database, clock })

  epoch.onChange(async () => {
    await Promise.all([purposes.reload(), keys.reload(), standings.forgetEnded()])
    tokens.flush()
  })

  return {
    parse: parsePurposes,
    replace: purposes.replace,
    purpose: purposes.purpose,
    open: (opening) => open(signing, purposes.purpose(opening.purpose), opening),
    renew: (session, caller, activeAtMs = null) =>
      renew(session.id, caller, () => Math.min(use.unusedSeconds(session.id), use.secondsSince(activeAtMs))),
    end,
    withToken: (change, caller) => withToken({ ...signing, tokens }, change, caller),
    standing: standings.standing,
    touch: use.touch,
    async find(id, caller) {
      const found = isId("session", id) ? await find(database, id) : null
      if (found === null || (caller.kind === "agent" && !isOf(found.session, caller))) throw unknown()
      return found.session
    },
    list(caller, { agent = null, state = null, limit = 100 } = {}) {
      const isAgent = caller.kind === "agent"
      const instance = isAgent ? caller.instance : null
      return list(database, { agent: isAgent ? caller.name : agent, instance, state, limit })
    },
    openOf: (agent) => openOf(database, agent),
    async due(limit = 100) {
      await use.flush()
      const { due, nextInMs } = await findDue(database, limit)
      return {
        due: due.map(({ session, isExpired }) => ({ session, reason: isExpired ? "expired" : "lapsed" })),
        nextInMs,
      }
    },
    verifyToken: tokens.verify,
    clientCredentials: (form, caller) => clientCredentials({ audit, standings, tokens }, form, caller),
    jwks: keys.jwks,
    metadata: () => metadata(issuer, parts.mtlsUrl ?? issuer),
    rotateKey: keys.rotate,
    async [Symbol.asyncDispose]() {
      // What is lost without the database is when a session was last used: it may lapse a little early.
      await use.flush({ isLast: true }).catch((error: unknown) => parts.log.warn("last uses are not noted", { error }))
    },
  }
}
