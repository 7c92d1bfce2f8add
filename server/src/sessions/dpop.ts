import { createPublicKey, type KeyObject } from "node:crypto"
import { z } from "zod"
import type { ProvenKey } from "#agents"
import { base64url, type Clock, equal, fromBase64url, type Json, Refusal, sha256 } from "#kernel"
import { isSignedBy, type Jws, readJws } from "./jws.ts"
import type { Nonces } from "./nonces.ts"

/** What a request says in its DPoP header, and which request that is. `path` is the target's, without its query. */
export type ShownProof = { jwt: string | null; method: string; path: string }

/** A proof whose signature and request are right, by a key that may be anybody's. It still has to be used up. */
export type Proof = ProvenKey & {
  key: KeyObject
  jti: string
  nonce: string /** Hash of the token. */
  ath: string | null
}

/** DPoP proofs (RFC 9449) to one server, for the public URL of the web listener. */
export interface Proofs {
  /** Reads a proof and checks everything but whether it was used. Throws `dpop-proof-invalid`, `use-dpop-nonce`. */
  read(shown: ShownProof): Proof
  /** The proof belongs to this token (RFC 9449 §4.3, check 12). Throws `dpop-proof-invalid`. */
  requireToken(proof: Proof, token: string): void
}

/** `issuer` is the public URL that agents ask at, whatever name or port they reach this process by. */
export type ProofsParts = { issuer: string; nonces: Nonces; clock: Clock }

/** The longest proof that is looked at; one takes about 600 characters. */
const MAX_LENGTH = 4_096
/** How far a proof's time may be from ours, seconds. The nonce is what makes it fresh; this bounds wrong clocks. */
const MAX_SKEW_SECONDS = 60
const MAX_KEYS = 10_000

/** 32 bytes in base64url: the coordinates of a P-256 point (RFC 7518 §6.2.1.2). */
const coordinate = z.string().regex(/^[A-Za-z0-9_-]{43}$/)
const headerSchema = z.object({
  typ: z.literal("dpop+jwt"),
  jwk: z.object({ kty: z.literal("EC"), crv: z.literal("P-256"), x: coordinate, y: coordinate }),
})
const claimsSchema = z.object({
  // RFC 9449 §4.2 asks for 96 random bits at the least, which take 16 characters; some send a UUID, or more.
  jti: z.string().min(8).max(128),
  htm: z.string(),
  htu: z.string(),
  iat: z.number(),
  nonce: z.string().optional(),
  ath: z.string().optional(),
})

/** Opens the check. Keys that signed a good proof are remembered: to import one costs more than to verify with it. */
export function openProofs({ issuer, nonces, clock }: ProofsParts): Proofs {
  const { origin } = new URL(issuer)
  const keys = new Map<string, { key: KeyObject; keyThumbprint: string }>()

  const requireRequest = ({ htm, htu }: z.infer<typeof claimsSchema>, { method, path }: ShownProof) => {
    if (htm !== method) throw new Error("htm is another method")
    const url = new URL(htu)
    // RFC 9449 §4.3, check 9: query and fragment do not count; a user name would, and nobody has one here.
    const isSame = url.origin === origin && url.pathname === path && url.username === "" && url.password === ""
    if (!isSame) throw new Error("htu is another URL")
  }
  const requireTime = (iat: number) => {
    const aheadSeconds = iat - clock.nowMs() / 1000
    if (Math.abs(aheadSeconds) > MAX_SKEW_SECONDS) throw new Error(`iat is ${aheadSeconds.toFixed(0)} s away from now`)
  }
  const verified = (jws: Jws, { x, y }: { x: string; y: string }): ProvenKey & { key: KeyObject } => {
    // RFC 7638 §3.2: required members only, in this order. One point has one spelling, or it would have two thumbprints.
    for (const each of [x, y]) fromBase64url(each)
    const jkt = base64url(sha256(`{"crv":"P-256","kty":"EC","x":"${x}","y":"${y}"}`))
    const known = keys.get(jkt)
    const held = known ?? importKey(x, y)
    if (!isSignedBy(jws, held.key)) throw new Error("the signature is not by the key in jwk")
    if (known === undefined) {
      if (keys.size >= MAX_KEYS) keys.delete(keys.keys().next().value!)
      keys.set(jkt, held)
    }
    return { jkt, ...held }
  }

  return {
    read(shown) {
      const { jwt } = shown
      if (jwt === null) throw invalid("The DPoP header is missing; send a proof (RFC 9449) by the enrolled key.")
      if (jwt.length > MAX_LENGTH) throw invalid(`The DPoP proof is longer than ${MAX_LENGTH} characters.`)
      try {
        const jws = readJws(jwt)
        const { jwk } = headerSchema.parse(jws.header)
        refusePrivate(jws.header["jwk"]!)
        const claims = claimsSchema.parse(jws.payload)
        // A stranger's signature is not worth a verification before its sender has spoken with this very server.
        const nonce = nonces.requireOwn(claims.nonce)
        requireRequest(claims, shown)
        requireTime(claims.iat)
        return { ...verified(jws, jwk), jti: claims.jti, nonce, ath: claims.ath ?? null }
      } catch (cause) {
        if (cause instanceof Refusal && cause.code === "use-dpop-nonce") throw cause
        throw invalid("The DPoP proof is not one for this request. Check its key, htm, htu and iat.", cause)
      }
    },
    requireToken({ ath }, token) {
      // The cause is all that tells; the hash is no secret, and is compared in constant time all the same.
      if (ath !== null && equal(Buffer.from(ath), Buffer.from(base64url(sha256(token))))) return
      throw invalid("The DPoP proof is not for this access token: ath is its SHA-256, base64url.")
    },
  }
}

/** RFC 9449 §4.3, check 7. Whoever sends its private key has lost it; nothing signed with it counts. */
function refusePrivate(jwk: Json): void {
  for (const member of ["d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"]) {
    if (Object.hasOwn(jwk as object, member)) throw new Error("jwk holds a private key")
  }
}

/** Throws when the point is not on the curve. */
function importKey(x: string, y: string): { key: KeyObject; keyThumbprint: string } {
  const key = createPublicKey({ key: { kty: "EC", crv: "P-256", x, y }, format: "jwk" })
  return { key, keyThumbprint: base64url(sha256(key.export({ type: "spki", format: "der" }))) }
}

function invalid(message: string, cause?: unknown): Refusal {
  return new Refusal("dpop-proof-invalid", message, cause === undefined ? undefined : { cause })
}
