import type { Id, Secret } from "#kernel"

/** Somebody who is to be asked at their provider. */
export type NewAsking = {
  id: Id<"asking">
  user: Id<"user">
  provider: string
  issuer: string
  /** `sub`, as the provider calls them. */
  subject: string
}

/**
 * waiting → asking → asked → approved | denied | expired | failed; over: the request ended in another way. What it comes to is
 * theirs alone: where a provider could not ask, every other way to the person stays.
 */
export type AskingState = "waiting" | "asking" | "asked" | "approved" | "denied" | "expired" | "failed" | "over"

/** A user who is asked at their provider, for one request. */
export type ProviderAsking = NewAsking & {
  request: Id<"approval">
  state: AskingState
  /** What they would sign, 32 bytes, and what both screens show of it; null before the provider was asked. */
  challenge: Buffer | null
  checkCode: string | null
  /** Null unless asked. */
  authReqId: Secret | null
  intervalSeconds: number
  attempts: number
  askedAt: Date | null
  expiresAt: Date | null
  error: string | null
  /** Where the provider has us ask the person: by what we answer it, and what they said; null where it asks by itself. */
  channel: { bearer: Secret | null; decision: "approve" | "deny" | null } | null
}
