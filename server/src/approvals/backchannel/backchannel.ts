import type { Change } from "#audit"
import { base64url, type Database, type Id, type Keyring, Refusal, random, Secret, sha256 } from "#kernel"
import type { Approval } from "../request.ts"
import { aboutApproval } from "../requests.ts"
import * as store from "./store.ts"

/** Seconds between two polls, until one comes too soon. */
export const INTERVAL_SECONDS = 5

/** What an agent is told that asked (CIBA Core §7.3). */
export type Acknowledged = { authReqId: string; expiresIn: number; interval: number }

/** What became of a request, as its asker may know; `unknown` is also somebody else's, and one that was redeemed. */
export type Polled =
  | { is: "unknown" | "pending" | "too-soon" | "denied" | "expired" }
  | { is: "approved"; request: Id<"approval"> }

/** Requests for approval that agents ask, and follow, by OpenID CIBA. */
export interface Backchannel {
  /**
   * Gives the request a name that its asker follows it by: 256 random bits, kept as a hash. With a client notification token a
   * ping is owed when it is decided.
   */
  ask(asker: store.Asker, request: Id<"approval">, notificationToken: Secret | null): Promise<Acknowledged>
  /** What became of it. Polls are counted over all servers. */
  poll(authReqId: string, asker: store.Asker): Promise<Polled>
  /** Redeems an approval for the token of that name, once. Its work throws `grant-invalid` for whoever is second. */
  redeem(authReqId: string, asker: store.Asker, issued: { approval: Approval; jti: string; by: string }): Change<void>
  /** True when a token was fetched for it, by whatever name. */
  isRedeemed(request: Id<"approval">): Promise<boolean>
  /** By which name that agent knows that user; random, and the same from then on. */
  subject(of: { agentId: string; user: string }): Promise<string>
  /** Takes pings that are due, opened. Each comes again, unless endPing() says that it is over. */
  takePings(limit: number): Promise<Ping[]>
  endPing(ping: Ping): Promise<void>
  /** The request that goes by that name, whoever asked; null for none. Nothing is released for it. */
  requestOf(authReqId: string): Promise<Id<"approval"> | null>
  /** Forgets what nobody asks for any more. */
  forget(): Promise<void>
}

/** A ping that is to be delivered: what it says, and what it is authenticated by. `tries` counts this one. */
export type Ping = store.Asker & { hash: Buffer; authReqId: string; notificationToken: Secret; tries: number }

/** Opens it. */
export function openBackchannel({ database, keyring }: { database: Database; keyring: Keyring }): Backchannel {
  return {
    async ask(asker, request, notificationToken) {
      const authReqId = base64url(random(32))
      const hash = hashOf(authReqId)
      const said = JSON.stringify([authReqId, notificationToken?.reveal()])
      const ping = notificationToken === null ? null : keyring.seal(placeOf(hash), said)
      const asked = { ...asker, hash, request, intervalSeconds: INTERVAL_SECONDS, ping }
      // A crash after this leaves a name that nobody has; the same asked again is the same request under another name.
      const expiresIn = await store.insertBackchannel(database, asked)
      if (expiresIn === null) {
        throw new Refusal(
          "rate-limited",
          "This action was asked for several times already. Poll what you were answered.",
        )
      }
      return { authReqId, expiresIn, interval: INTERVAL_SECONDS }
    },
    async poll(authReqId, asker) {
      const found = await database.transaction((tx) => store.notePoll(tx, hashOf(authReqId), asker))
      return found === null ? { is: "unknown" } : polled(found)
    },
    requestOf: (authReqId) => store.requestNamed(database, hashOf(authReqId)),
    redeem: (authReqId, asker, { approval, jti, by }) => ({
      async work(tx) {
        if (await store.redeem(tx, hashOf(authReqId), { ...asker, request: approval.id })) return
        throw new Refusal("grant-invalid", "This auth_req_id is not, or no longer, good for a token.")
      },
      entries: () => [
        { ...aboutApproval(approval, "approvals.token-issued", by), data: { approval: approval.id, jti } },
      ],
    }),
    isRedeemed: (request) => store.isRedeemed(database, request),
    subject: ({ agentId, user }) => {
      return store.subjectOf(database, { agentId, user, proposed: base64url(random(16)) })
    },
    async takePings(limit) {
      const due = await database.transaction((tx) => store.takePings(tx, limit))
      return due.map(({ hash, agent, instance, ping, pings }) => {
        const [authReqId, token] = JSON.parse(keyring.open(placeOf(hash), ping).toString()) as [string, string]
        return { hash, agent, instance, authReqId, notificationToken: new Secret(token), tries: pings }
      })
    },
    endPing: ({ hash }) => store.endPing(database, hash),
    forget: () => store.forgetBackchannel(database),
  }
}

/** A final state is told at once, however often it is asked; only who waits is told to wait longer. */
function polled({ request, state, isOpen, isUsable, isUsed, isRedeemed, isTooSoon }: store.PolledRow): Polled {
  if (isRedeemed || isUsed) return { is: "unknown" }
  if (isOpen) return { is: isTooSoon ? "too-soon" : "pending" }
  if (isUsable) return { is: "approved", request }
  return { is: state === "denied" || state === "reported" || state === "withdrawn" ? "denied" : "expired" }
}

/** Seals anew what another key-encryption key sealed. Returns how many; repeated until it returns 0. */
export async function resealBackchannel(database: Database, keyring: Keyring): Promise<number> {
  const stale = (await store.readPings(database)).filter(({ ping }) => !keyring.isCurrent(ping))
  for (const row of stale) {
    const place = placeOf(row.hash)
    await store.replacePing(database, row, keyring.seal(place, keyring.open(place, row.ping)))
    // A crash here leaves the others under the old key, which opens them still; the next run goes on.
  }
  return stale.length
}

function hashOf(authReqId: string): Buffer {
  return sha256(authReqId)
}

function placeOf(hash: Buffer): string {
  return `approvals.backchannel_requests/${hash.toString("hex")}`
}
