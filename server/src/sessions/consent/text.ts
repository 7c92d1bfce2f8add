import { base64url, canonical, type Json, sha256 } from "#kernel"
import type { ActionDetail } from "../action-details.ts"

/**
 * What a consent page says, as data: the page is drawn from nothing else, so that it can be drawn again as it was. Words are
 * those of the configuration, of the agent and of the user; the sentences around them are the version's.
 */
export type ConsentText = {
  /** Of the sentences around it. */
  version: 1
  language: "en"
  agent: { name: string; spiffeId: string; owner: string; description: string }
  /** Who invoked the agent, by a signed statement; null where the agent asks by itself. */
  application: { name: string; description: string } | null
  purpose: { name: string; description: string }
  /** What may be allowed, each of which can be taken out. */
  actions: {
    key: string
    phrases: string[]
    /** True when the user allowed something before, and not this. */
    isNew: boolean
  }[]
  /** What the user wants, in whose words. */
  request: { text: string; from: "agent" | "application" } | null
  parameters: { description: string; value: string | number | boolean; from: "agent" | "application" }[]
  longestSeconds: number
  /** Who asked the user, where that was not this page: a provider that collects consent itself (RFC 9396), and its ID token. */
  collectedBy: { provider: string; tokenDigest: string } | null
  /** When the user allowed something for the same purpose before, RFC 3339. */
  earlier: string | null
}

/**
 * Names what is shown and what it stands for, because two things may have the same words: what comes back is about this and
 * nothing else. It never leaves the user's own page.
 */
export function digestOf(text: ConsentText, details: readonly ActionDetail[]): string {
  return base64url(sha256(canonical({ text, details } as unknown as Json)))
}

/** The text as it is kept, and its digest. The salt keeps whoever reads the digest from guessing what the user wrote. */
export function recordedText(text: ConsentText, salt: string): { text: string; textDigest: string } {
  const written = canonical({ ...text, salt } as unknown as Json)
  return { text: written, textDigest: base64url(sha256(written)) }
}
