import type { Change } from "#audit"
import { base64url, type Database, type Id, type Keyring } from "#kernel"
import { type PendingSignIn, pendingSignIn } from "../../providers/sign-in.ts"
import type { User } from "../../user.ts"
import { rememberingUser } from "../../users/known.ts"
import { hashOfSecret, mintSecret, requiredHash } from "../secret.ts"
import type { SignedInBrowser } from "./store.ts"
import * as store from "./store.ts"

/** Who came back from a provider. */
export type Arrival = {
  user: Omit<User, "id">
  providerSession: string | null
  /** When the provider saw the user; null where it does not say. */
  signedInAtMs: number | null
}

/** What somebody signs in for: a request for their consent, or a command line that is to act for them as an operator. */
export type LeadsTo = { request: string } | { operator: string }

/** Browsers that were sent to a provider, and who is signed in with which. Cookies come in and go out as text and are kept as hashes. */
export interface Browsers {
  /** A cookie for a browser that has none. */
  newBrowser(): string
  /** Keeps what a browser is sent to a provider with, and what the user signs in for. */
  keepSignIn(pending: PendingSignIn, browser: string, leadsTo: LeadsTo | null): Promise<void>
  /** Uses it up when the browser comes back. Null for another browser or provider, and the second time. */
  takeSignIn(of: {
    state: string
    browser: string
    provider: string
  }): Promise<{ pending: PendingSignIn; request: Id<"request"> | null; operator: Id<"request"> | null } | null>
  /** Signs somebody in with a browser, under a new cookie. */
  signIn(arrival: Arrival): Change<{ user: User; cookie: string }>
  /** Who is signed in with the cookie; null for nobody any more. */
  signedIn(cookie: string): Promise<SignedInBrowser | null>
  /** Who was signed in with it; null for nobody. */
  signOut(cookie: string | null): Change<User | null>
  /** Signs out every browser of a user, or of a session at their provider. */
  signOutAll(of: { user: string } | { iss: string; providerSession: string }): Change<number>
  /** Forgets who is signed in no more, and who never came back. */
  keepHouse(): Promise<void>
}

/** Opens them. */
export function openBrowsers({ database, keyring }: { database: Database; keyring: Keyring }): Browsers {
  return {
    newBrowser: () => mintSecret().text,
    async keepSignIn(pending, browser, leadsTo) {
      const state = requiredHash(pending.state)
      const sealed = keyring.seal(context(state), JSON.stringify(pending))
      const row = { state, browser: requiredHash(browser), provider: pending.provider, pending: sealed }
      await store.insertSignIn(database, { ...row, request: null, operator: null, ...leadsTo })
    },
    async takeSignIn({ state, browser, provider }) {
      const [stateHash, browserHash] = [hashOfSecret(state), hashOfSecret(browser)]
      if (stateHash === null || browserHash === null) return null
      const found = await store.takeSignIn(database, { state: stateHash, browser: browserHash, provider })
      if (found === null) return null
      const pending = pendingSignIn.parse(JSON.parse(keyring.open(context(stateHash), found.pending).toString("utf8")))
      return { ...found, pending }
    },
    signIn({ user: seen, providerSession, signedInAtMs }) {
      const cookie = mintSecret()
      const known = rememberingUser(seen, "server")
      return {
        async work(tx) {
          const user = await known.work!(tx)
          await store.insertBrowser(tx, cookie.hash, { user, providerSession, signedInAtMs })
          return { user, cookie: cookie.text }
        },
        entries: ({ user }) => [
          ...known.entries(user),
          { event: "sessions.signed-in", by: user.id, user: user.id, data: { provider: user.provider } },
        ],
      }
    },
    async signedIn(cookie) {
      const hash = hashOfSecret(cookie)
      return hash === null ? null : await store.useBrowser(database, hash)
    },
    signOut: (cookie) => ({
      work: async (tx) => {
        const hash = hashOfSecret(cookie)
        return hash === null ? null : await store.endBrowser(tx, hash)
      },
      entries: (user) => (user === null ? [] : [{ event: "sessions.signed-out", by: user.id, user: user.id }]),
    }),
    signOutAll: (of) => ({ work: (tx) => store.endBrowsers(tx, of), entries: () => [] }),
    keepHouse: () => store.forgetBrowsers(database),
  }
}

/** Where a sign-in rests sealed: it opens in no other place. */
function context(state: Buffer): string {
  return `sessions.sign_ins/${base64url(state)}`
}
