import { leafHash, nodeHash } from "@safeconduct/tlog"
import { canonical, type Id, type Json, sha256 } from "#kernel"
import type { Approval, HeldAction } from "./request.ts"

/** What an approver saw: which rendering, in which language, and SHA-256 of it, base64url. */
export type Shown = { version: string; locale: string; digest: string }

/** How far an approval goes beyond the one action; null for exactly that. */
export type Bounds = { [name: string]: Json }

/** What is signed: everything that an approval is good for, and nothing else. */
export type Statement = {
  v: "safeconduct/approval/1"
  nonce: string
  issuer: string
  approval: Id<"approval">
  decision: "approve"
  /** Id of the user who approves, or an operator's SPIFFE ID. */
  approver: string
  user: Id<"user"> | null
  agent: { name: string; spiffeId: string; instance: string; confirmation: { [name: string]: string } }
  session: Id<"session">
  purpose: string
  chain: { session: Id<"session">; agent: string }[]
  action: HeldAction
  policy: { version: string | null; policies: string[] }
  bounds: Bounds | null
  card: Shown
  requestedAt: string
  expiresAt: string
}

/** The statement of one request for one approver. Null when its action is not kept any more. Pure. */
export function statementOf(
  approval: Approval,
  { issuer, approver, card, bounds = null }: { issuer: string; approver: string; card: Shown; bounds?: Bounds | null },
): Statement | null {
  const { action } = approval
  if (action === null) return null
  return {
    v: "safeconduct/approval/1",
    nonce: approval.nonce,
    issuer,
    approval: approval.id,
    decision: "approve",
    approver,
    user: approval.user,
    agent: {
      name: approval.agent,
      spiffeId: approval.spiffeId,
      instance: approval.instance,
      confirmation: { ...approval.confirmation },
    },
    session: approval.session,
    purpose: approval.purpose,
    chain: approval.chain.map(({ session, agent }) => ({ session, agent })),
    action,
    policy: { version: approval.policyVersion, policies: [...approval.policies] },
    bounds,
    card,
    requestedAt: approval.requestedAt.toISOString(),
    expiresAt: approval.expiresAt.toISOString(),
  }
}

/** The bytes that are hashed: canonical JSON (RFC 8785). */
export function statementBytes(statement: Statement): Buffer {
  return Buffer.from(canonical(statement as unknown as Json))
}

/**
 * What is signed for these statements together: the root of a Merkle tree over them, in their order (RFC 9162 §2.1.1). Of one it is
 * the hash of its leaf, and each has a proof of its own. 32 bytes: a WebAuthn challenge, or base64url an OpenID nonce.
 */
export function challengeOf(statements: readonly Statement[]): Buffer {
  if (statements.length === 0) throw new TypeError("nothing is signed")
  return Buffer.from(rootOver(statements.map((statement) => leafHash(statementBytes(statement)))))
}

/** A leaf's sibling hashes from the bottom up, for verifyInclusion() of tlog. */
export function inclusionIn(statements: readonly Statement[], index: number): Uint8Array[] {
  const path = (leaves: readonly Uint8Array[], at: number): Uint8Array[] => {
    if (leaves.length === 1) return []
    const half = splitOf(leaves.length)
    const [left, right] = [leaves.slice(0, half), leaves.slice(half)]
    return at < half ? [...path(left, at), rootOver(right)] : [...path(right, at - half), rootOver(left)]
  }
  return path(
    statements.map((statement) => leafHash(statementBytes(statement))),
    index,
  )
}

function rootOver(leaves: readonly Uint8Array[]): Uint8Array {
  if (leaves.length === 1) return leaves[0]!
  const half = splitOf(leaves.length)
  return nodeHash(rootOver(leaves.slice(0, half)), rootOver(leaves.slice(half)))
}

/** The largest power of two below that (RFC 9162 §2.1.1). */
function splitOf(size: number): number {
  let half = 1
  while (half * 2 < size) half *= 2
  return half
}

/** SHA-256 of a value's canonical JSON, base64url. */
export function digestOfJson(value: Json): string {
  return sha256(canonical(value)).toString("base64url")
}
