import type { Change, Draft } from "#audit"
import { base64url, type Database, type Id, type Json, type Keyring, Refusal, random, Secret, sha256 } from "#kernel"
import { type PendingSignIn, pendingSignIn } from "#sessions"
import type { Proven } from "../proof.ts"
import type { Approval } from "../request.ts"
import { aboutApproval } from "../requests.ts"
import type { Statement } from "../statement.ts"
import type { NewAsking, ProviderAsking } from "./asking.ts"
import * as store from "./store.ts"

/** A fresh sign-in by which somebody decides: in which browser, over which requests, and which card they saw. */
export type StepUp = {
  browser: string
  user: Id<"user">
  requests: Id<"approval">[]
  locale: string
  pending: PendingSignIn
}

/** One user who is asked at their provider, and for what. */
export type AskingFor = { approval: Approval; asking: ProviderAsking }

/** Ways to the person through their provider, as far as they are kept. What providers say is sessions' to judge. */
export interface Ways {
  /** Requests on those rungs of which nobody looked yet whom a provider asks. `peopleOf` says; each is looked at once. */
  look(rungs: readonly string[], peopleOf: (request: Id<"approval">) => Promise<NewAsking[]>): Promise<void>
  /** Those that are due, for this server to go on with for a while. */
  claim(limit: number): Promise<ProviderAsking[]>
  /** Milliseconds until the next is due; null when none is. */
  nextDueMs(): Promise<number | null>
  /** Who of a request's users is asked at a provider; null for whom none is. */
  of(request: string, user: string): Promise<ProviderAsking | null>
  /** Says that the provider is about to be asked: what would be signed, 32 bytes, and what both screens show. Its ping will bring what this returns; null when it is over. */
  begin(of: AskingFor, over: { challenge: Buffer; code: string }): Change<Secret | null>
  /** The provider asks. False when that is over. */
  asked(id: string, of: { authReqId: Secret; intervalSeconds: number; expiresInSeconds: number }): Promise<boolean>
  /** Looks again so many seconds from now; from then on with so much more between two looks. */
  putOff(id: string, seconds: number, moreSeconds?: number): Promise<void>
  /** Came to nothing. */
  fail(of: AskingFor, state: "expired" | "failed", error: string): Change<boolean>
  /** Ends with the request, without a word. */
  end(id: string, state: "approved" | "denied" | "over"): Change<boolean>
  /** A provider says that there is an answer: no more than a hint. False for a bearer that is nobody's. */
  hasten(provider: string, bearer: Secret): Promise<boolean>
  /** A provider has us ask the person. Null where it is asked for no such thing. */
  channel(of: store.ChannelOf & { bearer: Secret }): Promise<ProviderAsking | null>
  /** The person's yes, for their provider, through us, once; how they were known to be who they are. The work throws `approval-over`. */
  answer(of: AskingFor, how: { proven: Proven; statement: Statement }): Change<void>
  /** The provider knows it. */
  told(id: string): Promise<void>
  /** Keeps what a browser is sent to its provider with. Throws `overloaded`. */
  keepStepUp(stepUp: StepUp): Promise<void>
  /** Uses it up when the browser comes back; null for another browser or provider, and the second time. */
  takeStepUp(of: { state: string; browser: string; provider: string }): Promise<StepUp | null>
  keepHouse(): Promise<void>
}

/** Opens them. */
export function openWays({ database, keyring }: { database: Database; keyring: Keyring }): Ways {
  const context = (column: "auth_req_id" | "channel_bearer", id: string) =>
    `approvals.provider_requests/${column}/${id}`
  const sealed = (column: "auth_req_id" | "channel_bearer", id: string, text: string | null) =>
    text === null ? null : new Secret(keyring.open(context(column, id), text).toString("utf8"))
  const open = ({ authReqId, channelBearer, channelDecision, ...row }: store.AskingRow): ProviderAsking => ({
    ...row,
    authReqId: sealed("auth_req_id", row.id, authReqId),
    channel:
      channelBearer === null && channelDecision === null
        ? null
        : { bearer: sealed("channel_bearer", row.id, channelBearer), decision: channelDecision },
  })

  return {
    async look(rungs, peopleOf) {
      while (rungs.length > 0 && (await store.hasNotLooked(database, rungs))) {
        await database.transaction(async (tx) => {
          const found = (await store.takeNotLooked(tx, rungs, LOOK_AT_ONCE)) as Id<"approval">[]
          for (const request of found) await store.insertAskings(tx, request, await peopleOf(request))
        })
      }
    },
    claim: async (limit) => (await store.claimDue(database, limit)).map(open),
    nextDueMs: () => store.nextDueMs(database),
    async of(request, user) {
      const found = await store.askingOf(database, { request, user })
      return found === null ? null : open(found)
    },
    begin({ approval, asking }, { challenge, code }) {
      const ping = new Secret(base64url(random(32)))
      return {
        async work(tx) {
          const of = { id: asking.id, challenge, checkCode: code, ping: sha256(ping.reveal()) }
          return (await store.beginAsking(tx, of)) ? ping : null
        },
        entries: (begun) => (begun === null ? [] : [about(approval, asking, "approvals.provider-asked", { code })]),
      }
    },
    asked: (id, { authReqId, ...of }) =>
      store.putAsked(database, { id, ...of, sealed: keyring.seal(context("auth_req_id", id), authReqId.reveal()) }),
    putOff: (id, seconds, moreSeconds) =>
      store.putOff(database, { id, seconds, ...(moreSeconds === undefined ? {} : { moreSeconds }) }),
    fail: ({ approval, asking }, state, error) => ({
      work: (tx) => store.endAsking(tx, { id: asking.id, state, error }),
      entries: (isEnded) => (isEnded ? [about(approval, asking, "approvals.provider-failed", { error })] : []),
    }),
    end: (id, state) => ({ work: (tx) => store.endAsking(tx, { id, state }), entries: () => [] }),
    async hasten(provider, bearer) {
      const text = bearer.reveal()
      return /^[A-Za-z0-9_-]{43}$/.test(text) && (await store.hasten(database, { provider, ping: sha256(text) }))
    },
    async channel({ bearer, ...of }) {
      const seal = (id: string) => keyring.seal(context("channel_bearer", id), bearer.reveal())
      const found = await store.putBearer(database, { ...of, seal })
      return found === null ? null : open(found)
    },
    answer: ({ approval, asking }, { proven, statement }) => ({
      async work(tx) {
        if (await store.putChannelDecision(tx, { id: asking.id, decision: "approve" })) return
        throw new Refusal("approval-over", "Your provider does not wait for you here any more.")
      },
      entries: () => [
        {
          ...about(approval, asking, "approvals.provider-answered", { way: proven.way }, asking.user),
          personal: { evidence: proven.evidence, statement: statement as unknown as Json },
        },
      ],
    }),
    told: (id) => store.putTold(database, id),
    async keepStepUp({ browser, user, requests, locale, pending }) {
      const state = sha256(pending.state)
      const row = { state, browser: sha256(browser), provider: pending.provider, user, requests, locale }
      const kept = await store.insertStepUp(database, {
        ...row,
        pending: keyring.seal(place(state), JSON.stringify(pending)),
      })
      if (!kept) throw new Refusal("overloaded", "You began this too often. Finish one, or try again later.")
    },
    async takeStepUp({ state, browser, provider }) {
      const hash = sha256(state)
      const row = await store.takeStepUp(database, { state: hash, browser: sha256(browser), provider })
      if (row === null) return null
      const pending = pendingSignIn.parse(JSON.parse(keyring.open(place(hash), row.pending).toString("utf8")))
      return { browser, user: row.user, requests: row.requests, locale: row.locale, pending }
    },
    keepHouse: () => store.forgetWays(database),
  }
}

const LOOK_AT_ONCE = 50

/** Where a step-up rests sealed: it opens in no other place. */
function place(state: Buffer): string {
  return `approvals.step_ups/${base64url(state)}`
}

function about(
  approval: Approval,
  { user: approver, provider }: ProviderAsking,
  event: string,
  more: { [name: string]: string },
  by = "server",
): Draft {
  return { ...aboutApproval(approval, event, by), data: { approval: approval.id, provider, approver, ...more } }
}
