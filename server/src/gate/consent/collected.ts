import type { Json } from "#kernel"
import { type ActionDetail, type Asked, type Decision, intersect, parseDetails, type SignedIn } from "#sessions"
import { hasUnsigned, type Wanted } from "./wanted.ts"

/** What a provider's own consent page granted of what it was told (RFC 9396 §7), and the ID token of that sign-in. */
export type Collected = Pick<SignedIn, "provider" | "authorizationDetails" | "idTokenDigest">

/**
 * The user's yes where their provider has asked them, recorded as that; our page is for all others. Null where the provider says
 * nothing that is understood, or the agent brought words that only our page shows.
 */
export function decisionAt(collected: Collected, wanted: Wanted, asked: Asked): Decision | null {
  const { provider, authorizationDetails, idTokenDigest: tokenDigest } = collected
  if (authorizationDetails === null || hasUnsigned(asked) || asked.prompt === "consent") return null
  const details = intersect(wanted.details, ownOf(authorizationDetails))
  if (details.length === 0) return null
  const text = { ...wanted.text, collectedBy: { provider, tokenDigest } }
  return { text, asked: wanted.details, details, hardEndSeconds: wanted.hardEndSeconds }
}

/** Details of our type; one that does not parse makes nothing of them all. */
function ownOf(granted: readonly Json[]): ActionDetail[] {
  const isOwn = (each: Json) => (each as { type?: unknown } | null)?.type === "safeconduct_action"
  try {
    return parseDetails(granted.filter(isOwn))
  } catch {
    return []
  }
}
