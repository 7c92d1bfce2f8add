import type { Proven } from "#agents"
import type { Change, Draft } from "#audit"
import { type Database, type Json, newId, Refusal, refusalCode, type Transaction } from "#kernel"
import { hashOfSecret, mintSecret, requiredHash } from "../consent/secret.ts"
import { readPart } from "../in-force/store.ts"
import type { Logins } from "../logins/logins.ts"
import { type ProvidersPart, parseProviders, rolesFor } from "../providers/index.ts"
import { rememberingUser } from "../users/known.ts"
import { type ArrivedOperator, hasArrived, type OperatorArrival, type OperatorRequest } from "./request.ts"
import * as store from "./store.ts"

/** Who came back from a provider, before they are known by an id. */
export type OperatorSeen = Omit<OperatorArrival, "user"> & { user: Omit<OperatorArrival["user"], "id"> }

/** A request in the browser that began it; `browser` is the cookie's value. */
type InBrowser = { id: string; browser: string }

/**
 * Command lines that ask to act for somebody as an operator: the way through the browser, up to a code. Cookies and codes come in
 * and go out as text and are kept as hashes. Each step happens once, by the database's clock.
 */
export interface OperatorSignIns {
  /** Begins one. Throws `overloaded`. */
  begin(asked: OperatorRequest["asked"], browser: string): Promise<OperatorRequest>
  /** The undecided request that this browser began; null for any other. */
  find(of: InBrowser): Promise<OperatorRequest | null>
  /** Says who signed in; without a role the request is over, and the entry says so. The work throws `sign-in-failed`. */
  enter(of: InBrowser, seen: OperatorSeen): Change<ArrivedOperator>
  /** The person's yes, recorded, and the code that it is worth. The work throws `not-found` when it was decided already. */
  allow(request: ArrivedOperator, browser: string): Change<{ code: string }>
  /** The person's no, recorded. */
  deny(request: ArrivedOperator, browser: string): Change<void>
  /** The request of a code, whatever became of it; null for a code that never was one. */
  findByCode(code: string): Promise<{ request: ArrivedOperator; isAlive: boolean } | null>
  /**
   * Uses a code up for a key, and says what the sign-in is worth by the configuration that is in force in the database: never more
   * than was shown. The work throws `grant-invalid`.
   */
  redeeming(code: string, keyThumbprint: string): Change<Proven>
  /** Takes away what is on its way for whoever signed out at their provider. */
  cancel(of: { user: string } | { iss: string; providerSession: string }): Change<void>
  /** Forgets what is long over. */
  keepHouse(): Promise<void>
}

/** Opens them. */
export function openOperatorSignIns({ database, logins }: { database: Database; logins: Logins }): OperatorSignIns {
  /** Keeps the login at the provider from being ended until the transaction has: it may be over before its browser is back. */
  const requireLogin = async (tx: Transaction, seen: OperatorSeen, code: "sign-in-failed" | "grant-invalid") => {
    const { user, providerSession: sid, issuedAtMs } = seen
    try {
      await logins.holding({ iss: user.iss, sub: user.sub, sid, issuedAtMs }).work!(tx)
    } catch (cause) {
      if (refusalCode(cause) !== "subject-token-invalid") throw cause
      throw new Refusal(code, "You have signed out at your provider meanwhile. Sign in again.", { cause })
    }
  }
  return {
    begin: (asked, browser) =>
      store.insertRequest(database, { id: newId("request"), asked, browser: requiredHash(browser) }),
    async find({ id, browser: cookie }) {
      const browser = hashOfSecret(cookie)
      return browser === null ? null : await store.findUndecided(database, { id, browser })
    },
    enter({ id, browser: cookie }, { user: seen, ...rest }) {
      const known = rememberingUser(seen, "server")
      const of = { id, browser: requiredHash(cookie) }
      return {
        async work(tx) {
          await requireLogin(tx, { ...rest, user: seen }, "sign-in-failed")
          const user = await known.work!(tx)
          const entered = await store.enter(tx, of, { ...rest, user })
          if (entered === null || !hasArrived(entered)) {
            throw new Refusal("sign-in-failed", "What you signed in for is over. Begin again at the command line.")
          }
          if (rest.roles.length === 0) await store.decide(tx, of, null)
          return entered
        },
        entries: (request) => [
          ...known.entries(request.arrival.user),
          ...(rest.roles.length > 0 ? [] : [draft("sessions.operator-without-role", request)]),
        ],
      }
    },
    allow(request, browser) {
      const code = mintSecret()
      return {
        async work(tx) {
          await decided(store.decide(tx, at(request, browser), code.hash))
          return { code: code.text }
        },
        entries: () => [draft("sessions.operator-allowed", request, { roles: request.arrival.roles })],
      }
    },
    deny: (request, browser) => ({
      work: (tx) => decided(store.decide(tx, at(request, browser), null)),
      entries: () => [draft("sessions.operator-denied", request)],
    }),
    async findByCode(code) {
      const hash = hashOfSecret(code)
      const found = hash === null ? null : await store.findByCode(database, hash)
      return found !== null && hasArrived(found.request) ? { ...found, request: found.request } : null
    },
    redeeming: (code, keyThumbprint) => ({
      async work(tx) {
        const redeemed = await store.redeem(tx, requiredHash(code), keyThumbprint)
        if (redeemed === null || !hasArrived(redeemed.request)) throw spent()
        const { arrival } = redeemed.request
        const { providerSession, grounds } = arrival
        await requireLogin(tx, arrival, "grant-invalid")
        const now = rolesFor(await providersIn(tx), grounds)
        const roles = arrival.roles.filter((role) => now.includes(role))
        if (roles.length === 0) throw new Refusal("grant-invalid", "The configuration gives you no role any more.")
        return { ...grounds, roles, providerSession, isFirst: redeemed.isFirst }
      },
      entries: () => [],
    }),
    cancel: (of) => ({ work: (tx) => store.cancel(tx, of), entries: () => [] }),
    keepHouse: () => store.forgetRequests(database),
  }
}

/** Not from memory, which may be older than what this transaction follows. What does not parse is worth nothing. */
async function providersIn(tx: Transaction): Promise<ProvidersPart> {
  const stored = await readPart(tx, "providers")
  const parsed = stored.map(({ name, definition }) => {
    try {
      return parseProviders({ [name]: definition })
    } catch (error) {
      if (error instanceof Refusal) return {}
      throw error
    }
  })
  return Object.assign({}, ...parsed)
}

function draft(event: string, { asked, arrival }: ArrivedOperator, more: { [name: string]: Json } = {}): Draft {
  const { id } = arrival.user
  return { event, by: id, user: id, data: { provider: asked.provider, ...more } }
}

function at({ id }: OperatorRequest, browser: string): { id: string; browser: Buffer } {
  return { id, browser: requiredHash(browser) }
}

async function decided(step: Promise<boolean>): Promise<void> {
  if (await step) return
  throw new Refusal("not-found", "This was answered already, or is over. Begin again at the command line.")
}

function spent(): Refusal {
  return new Refusal("grant-invalid", "The code was used already, or is older than a minute. Sign in again.")
}
