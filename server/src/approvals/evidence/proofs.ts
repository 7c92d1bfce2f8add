import { leafHash, verifyInclusion } from "@safeconduct/tlog"
import { z } from "zod"
import { canonical, fromBase64url, type Json } from "#kernel"
import { checkCode } from "../card/code.ts"
import type { Way } from "../proof.ts"
import type { Statement } from "../statement.ts"
import { challengeIn, passkeyEvidence, verifyAssertion } from "./assertion.ts"
import { type OpenedEntry, refused } from "./entries.ts"
import { verifyIdToken } from "./id-token.ts"
import type { KnownKeys } from "./keys.ts"

/** How one person is proven to have agreed. */
export type ProvenBy = {
  way: Way
  /** True for a signature over exactly what they saw; else it is the word of the server, or of their provider. */
  isSignedByThem: boolean
  /** The passkey, where it was one. */
  credentialId: string | null
  /** Who they are at their provider, where that is disclosed. */
  identity: { iss: string; sub: string } | null
}

const place = z.object({
  index: z.int().min(0),
  size: z.int().min(1),
  inclusion: z.array(z.string()).max(64),
})

/**
 * Verifies what somebody's decision is evidenced by, over the statement that it is about. Throws `not-verified`.
 */
export function verifyProofOf(
  decision: OpenedEntry,
  statement: Json,
  { issuer, keys }: { issuer: string; keys: KnownKeys },
): ProvenBy {
  const { leaf, personal } = decision
  const evidence = personal["evidence"]
  if (evidence === undefined) throw refused("what was signed is not disclosed, or was erased")
  const way = leaf.data?.["way"]
  const requireSigned = (challenge: Uint8Array) => requireIncluded(evidence, statement, challenge)
  if (way === "passkey") {
    const { data: signed } = passkeyEvidence.strip().safeParse(evidence)
    if (signed === undefined) throw refused("the passkey's signature is not whole")
    const key = keys.keyFor(decision, signed.credentialId)
    if (key.publicKey !== signed.publicKey) throw refused("the key that signed is not the one that was enrolled")
    if (key.origin !== new URL(issuer).origin) throw refused("the key is for another site than the statement")
    const challenge = challengeIn(signed)
    requireSigned(challenge)
    verifyAssertion(signed, { rpId: key.rpId, origin: key.origin, challenge })
    return { way, isSignedByThem: true, credentialId: signed.credentialId, identity: key.identity }
  }
  if (way === "step-up") {
    const { nonce, iss, sub } = verifyIdToken(evidence)
    if (nonce === null) throw refused("the provider signed for nothing in particular")
    requireSigned(nonce)
    return { way, isSignedByThem: false, credentialId: null, identity: { iss, sub } }
  }
  if (way === "provider") {
    const { iss, sub } = verifyIdToken(evidence)
    // What both screens showed: of a provider that signs over nothing of ours it is all that tells one action from another.
    const { code } = evidence as { code?: Json }
    const { action } = statement as unknown as Statement
    if (code !== checkCode(action.digest)) throw refused("the code that the provider showed is another action's")
    return { way, isSignedByThem: false, credentialId: null, identity: { iss, sub } }
  }
  // Nobody approves an action as an operator (proof.ts): for that there would be no evidence at all.
  if (way === "session") {
    return { way, isSignedByThem: false, credentialId: null, identity: null }
  }
  throw refused("the way in which somebody decided is none that is known here")
}

/** The statement is one of those that were signed together (RFC 9162 §2.1.3.2); alone it is all of them. */
function requireIncluded(evidence: Json, statement: Json, challenge: Uint8Array): void {
  const { data: at } = place.safeParse(evidence)
  if (at === undefined) throw refused("where the statement stands among what was signed is not there")
  const leaf = leafHash(Buffer.from(canonical(statement)))
  const proof = at.inclusion.map(bytesOf)
  if (verifyInclusion({ leaf, index: at.index, size: at.size, root: challenge, proof })) return
  throw refused("what was signed is not this statement")
}

function bytesOf(text: string): Buffer {
  try {
    return fromBase64url(text)
  } catch (cause) {
    throw refused("a hash is not base64url", cause)
  }
}
