import type { Change, Draft } from "#audit"
import { base64url, type Database, type Id, type Json, newId, Refusal, random } from "#kernel"
import type { User } from "../user.ts"
import type { Asked, AuthorizationRequest, Consent, Granted } from "./asked.ts"
import * as requests from "./requests/store.ts"
import { hashOfSecret, mintSecret, requiredHash } from "./secret.ts"
import * as consents from "./store.ts"
import { type ConsentText, recordedText } from "./text.ts"

/** A request in the browser that began it; `browser` is the cookie's value. */
export type InBrowser = { id: string; browser: string }

/** What a user says yes to: the whole of what was shown, and how much of it. */
export type Decision = {
  text: ConsentText
  /** What could have been granted, and what is. */
  asked: Granted["details"]
  details: Granted["details"]
  hardEndSeconds: number
}

/**
 * Requests for a user's consent, and the consents that were given. Secrets (cookies, request URIs, codes) come in and go out as
 * text and are kept as hashes. Each step happens once, by the database's clock.
 */
export interface Consents {
  /** Keeps a request of an authenticated client (RFC 9126 §2). `spending` is used up in the same transaction. */
  push(asked: Asked, seconds: number, spending?: Pick<Change<unknown>, "work">): Promise<{ requestUri: string }>
  /** Gives a pushed request to the browser that brings it first, and to it again while it is undecided; null for everybody else. */
  begin(of: { requestUri: string; client: string }, browser: string): Promise<AuthorizationRequest | null>
  /** Begins one that a browser brought with all its parameters. */
  beginUnpushed(asked: Asked, browser: string, spending?: Pick<Change<unknown>, "work">): Promise<AuthorizationRequest>
  /** The undecided request that this browser began; null for any other. */
  find(of: InBrowser): Promise<AuthorizationRequest | null>
  /** Says who the user is. Null when the request does not wait for that. */
  enterUser(of: InBrowser, who: { user: User; providerSession: string | null }): Promise<AuthorizationRequest | null>
  /** The user's yes, recorded, and the code that it is worth. The work throws `not-found` when it was decided already. */
  allow(
    request: AuthorizationRequest,
    browser: string,
    decision: Decision,
  ): Change<{ code: string; consent: Id<"consent"> }>
  /** The code for what the user allowed before. The work throws `consent-required` when that was taken back meanwhile. */
  allowAgain(
    request: AuthorizationRequest,
    browser: string,
    granted: { consent: Consent; details: Granted["details"] },
  ): Change<{ code: string; consent: Id<"consent"> }>
  /** The user's no, recorded. */
  deny(request: AuthorizationRequest, browser: string): Change<void>
  /** The request of a code, whatever became of it; null for a code that never was one. */
  findByCode(code: string): Promise<{ request: AuthorizationRequest; isAlive: boolean } | null>
  /**
   * Uses a code up for that session, and holds the consent as it is until the transaction ends. The work throws `grant-invalid`
   * for a code that was used, is over, or whose consent was revoked.
   */
  redeeming(code: string, session: Id<"session">): Change<unknown>
  /** A code was shown again; nothing but the record. */
  replayed(request: AuthorizationRequest, by: string): Change<void>
  /** What the user's yes is remembered for exactly this; null for nothing. */
  remembered(of: consents.ConsentFor): Promise<Consent | null>
  /**
   * Holds a remembered consent as it is until the transaction ends. The work throws `consent-required` when it was taken back, or
   * another one stands in its place.
   */
  holding(consent: Id<"consent">): Change<void>
  /** Everything that is remembered of a user, the newest first. */
  ofUser(user: string): Promise<Consent[]>
  /** Takes a consent of the user's back, with all older ones for the same. The work throws `not-found`. */
  revoke(id: string, user: User): Change<Consent[]>
  /** The same of everything that the user ever allowed. */
  revokeAll(user: User): Change<Consent[]>
  /** Takes away what is on its way for a user, a session at their provider, or in a browser: whoever signed out gives nothing more. */
  cancel(of: { user: string } | { iss: string; providerSession: string } | { browser: string }): Change<void>
  /** Forgets what is long over. */
  keepHouse(): Promise<void>
}

const REQUEST_URI = "urn:ietf:params:oauth:request_uri:"

/** Opens them. */
export function openConsents({ database }: { database: Database }): Consents {
  return {
    async push(asked, seconds, spending) {
      const secret = mintSecret()
      await database.transaction(async (tx) => {
        await spending?.work?.(tx)
        await requests.insertPushed(tx, { id: newId("request"), requestUri: secret.hash, asked, seconds })
      })
      // A crash here leaves a request that nobody can bring; it is forgotten.
      return { requestUri: REQUEST_URI + secret.text }
    },
    async begin({ requestUri, client }, cookie) {
      const isOurs = requestUri.startsWith(REQUEST_URI)
      const uri = isOurs ? hashOfSecret(requestUri.slice(REQUEST_URI.length)) : null
      const browser = hashOfSecret(cookie)
      if (uri === null || browser === null) return null
      const of = { requestUri: uri, client }
      return (
        (await requests.beginPushed(database, { ...of, browser })) ??
        (await requests.findUndecided(database, of, browser))
      )
    },
    async beginUnpushed(asked, cookie, spending) {
      return await database.transaction(async (tx) => {
        await spending?.work?.(tx)
        return await requests.insertBegun(tx, { id: newId("request"), browser: requiredHash(cookie), asked })
      })
    },
    async find({ id, browser: cookie }) {
      const browser = hashOfSecret(cookie)
      return browser === null ? null : await requests.findUndecided(database, { id }, browser)
    },
    enterUser: ({ id, browser }, who) => requests.enterUser(database, { id, browser: requiredHash(browser) }, who),
    allow(request, browser, { text, asked, details, hardEndSeconds }) {
      const id = newId("consent")
      const code = mintSecret()
      const recorded = recordedText(text, base64url(random(16)))
      const granted = { consent: id, textDigest: recorded.textDigest, details, hardEndSeconds }
      const { agent, purpose, application } = request.asked
      return {
        async work(tx) {
          await decided(requests.decide(tx, at(request, browser), { granted, code: code.hash }))
          const of = { user: request.user!.id, agent: agent.name, agentId: agent.id, purpose, application }
          await consents.insertConsent(tx, { ...of, id, asked, details, hardEndSeconds, ...recorded })
          return { code: code.text, consent: id }
        },
        entries: () => [
          consentDraft(
            "sessions.consent-given",
            request,
            {
              consent: id,
              textDigest: recorded.textDigest,
              hardEndSeconds,
            },
            details,
          ),
        ],
      }
    },
    allowAgain(request, browser, { consent, details }) {
      const code = mintSecret()
      const { id, textDigest, hardEndSeconds } = consent
      const granted = { consent: id, textDigest, details, hardEndSeconds }
      return {
        async work(tx) {
          if (!(await consents.holdConsent(tx, id))) throw takenBack("consent-required")
          await decided(requests.decide(tx, at(request, browser), { granted, code: code.hash }))
          return { code: code.text, consent: id }
        },
        entries: () => [],
      }
    },
    deny: (request, browser) => ({
      work: (tx) => decided(requests.decide(tx, at(request, browser), null)),
      entries: () => [consentDraft("sessions.consent-denied", request, {})],
    }),
    async findByCode(code) {
      const hash = hashOfSecret(code)
      return hash === null ? null : await requests.findByCode(database, hash)
    },
    redeeming: (code, session) => ({
      async work(tx) {
        const hash = requiredHash(code)
        if (!(await requests.redeem(tx, hash, session))) throw spent()
        const found = await requests.findByCode(tx, hash)
        if (!(await consents.holdConsent(tx, found!.request.granted!.consent))) throw takenBack("grant-invalid")
      },
      entries: () => [],
    }),
    replayed: (request, by) => ({
      entries: () => [
        {
          event: "sessions.code-replayed",
          by,
          ...(request.user === null ? {} : { user: request.user.id }),
          ...(request.session === null ? {} : { session: request.session }),
          purpose: request.asked.purpose,
          data: { agent: request.asked.agent.name, isRedeemed: request.session !== null },
        },
      ],
    }),
    remembered: (of) => consents.findRemembered(database, of),
    holding: (consent) => ({
      async work(tx) {
        if (!(await consents.holdRemembered(tx, consent))) throw takenBack("consent-required")
      },
      entries: () => [],
    }),
    ofUser: (user) => consents.listRemembered(database, user),
    revoke: (id, user) => ({
      async work(tx) {
        const revoked = await consents.revokeConsents(tx, user.id, id)
        if (revoked.length === 0) throw new Refusal("not-found", "There is no such consent any more.")
        return revoked
      },
      entries: (revoked) => revoked.map((consent) => revokedDraft(consent, user)),
    }),
    revokeAll: (user) => ({
      work: (tx) => consents.revokeConsents(tx, user.id, null),
      entries: (revoked) => revoked.map((consent) => revokedDraft(consent, user)),
    }),
    cancel: (of) => ({
      work: (tx) => requests.cancelRequests(tx, "browser" in of ? { browser: requiredHash(of.browser) } : of),
      entries: () => [],
    }),
    keepHouse: () => requests.forgetRequests(database),
  }
}

/**
 * Whom and what a decision is about. What the user wants stands there as a commitment to it; so does what they granted, because
 * an agent asked for it, and may have put somebody's words in.
 */
function consentDraft(
  event: string,
  { asked, user }: AuthorizationRequest,
  more: { [name: string]: Json },
  granted: Granted["details"] | null = null,
): Draft {
  const { agent, purpose, application, requestText, parameters } = asked
  return {
    event,
    by: user!.id,
    user: user!.id,
    purpose,
    ...(application === null ? {} : { application }),
    data: { agent: agent.name, agentId: agent.id, ...more },
    personal: {
      ...(requestText === null ? {} : { request: requestText.text }),
      ...(Object.keys(parameters).length === 0 ? {} : { parameters }),
      ...(granted === null ? {} : { authorizationDetails: granted as Json }),
    },
  }
}

function revokedDraft({ id, agent, purpose, application }: Consent, user: User): Draft {
  return {
    event: "sessions.consent-revoked",
    by: user.id,
    user: user.id,
    purpose,
    ...(application === null ? {} : { application }),
    data: { consent: id, agent },
  }
}

function at({ id }: AuthorizationRequest, browser: string): { id: string; browser: Buffer } {
  return { id, browser: requiredHash(browser) }
}

async function decided(step: Promise<boolean>): Promise<void> {
  if (!(await step)) throw new Refusal("not-found", "This request was decided already, or is over. Begin it anew.")
}

function spent(): Refusal {
  return new Refusal("grant-invalid", "The code was used already, or is older than a minute. Send the user again.")
}

function takenBack(code: "grant-invalid" | "consent-required"): Refusal {
  return new Refusal(code, "The user took this consent back. Send the user again.")
}
