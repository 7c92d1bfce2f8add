import type { Json } from "#kernel"
import type { AskRung } from "#policy"
import type { ApprovalsPart } from "./part.ts"

/**
 * How an approver was known to be who they are: a browser that they are signed in with, their passkey over the very
 * action, a fresh sign-in at their provider for it, the provider's own back channel (OpenID CIBA), or an operator's key.
 */
export type Way = "session" | "passkey" | "step-up" | "provider" | "operator"

/** A proof that was verified. Whoever makes one has verified it against the challenge of the statements that are decided. */
export type Proven = {
  way: Way
  /** What somebody else needs to verify it again, years later: nothing secret. */
  evidence: { [name: string]: Json }
}

/** True when this way of proving the person counts for that rung. An operator's signature is asked for by name only. */
export function counts({ proofs }: Pick<ApprovalsPart, "proofs">, rung: AskRung, way: Way): boolean {
  return way !== "operator" && proofs[rung].includes(way)
}
