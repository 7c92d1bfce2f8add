import type { Json } from "#kernel"
import type { Elevated } from "#policy"

/** What is known of one argument, as it is shown. */
export type ArgumentFact = {
  name: string
  value: Json
  /** `free`: nothing was said of it. */
  finding: "verified" | "unverifiable" | "free"
  /** What it was held against: request, claim, lookup, …; null for what is free. */
  origin: string | null
  /** It decides where the effect lands. */
  isSink: boolean
  /** How it differs from what is usual: this agent never did it with that value, or it is many times the usual. */
  unusual: { kind: "first-time" } | { kind: "times-usual"; times: number } | null
}

/**
 * Everything that a card is drawn from: facts out of our records and the validated action. Nothing in it was written by the
 * agent but `said` and the values of arguments. Canonical JSON of it stands, committed to, in the log.
 */
export type CardFacts = {
  version: 1
  /** The operation in the words of whoever configured it: by language, with {argument} where a value goes; {} for none. */
  templates: { [locale: string]: string }
  operation: { type: string; name: string; description: string | null }
  resource: { name: string; description: string | null }
  elevated: Elevated | null
  irreversible: boolean
  agent: { name: string; description: string; owner: string }
  /** Agents that handed it on, the first first. */
  through: string[]
  application: { name: string; description: string } | null
  purpose: { name: string; description: string }
  /** Whom it is done for, as who they are at their provider; null for nobody. */
  user: { provider: string; subject: string } | null
  /** The user's own words, and how they are known to be. */
  request: { kind: "consent" | "application" | "passkey"; text: string } | null
  arguments: ArgumentFact[]
  /** Why it is asked, in words. */
  reasons: string[]
  policies: string[]
  /** What approving gives: seconds that the credential lives; null for none. */
  leaseSeconds: number | null
  /** How many requests of this agent there were before, today. */
  before: number
  /** What the agent says: plain text of at most 200 characters, not verified by anybody; null when it says nothing. */
  said: string | null
}
