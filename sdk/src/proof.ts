import { createHash, createPublicKey, type KeyObject, randomBytes, sign } from "node:crypto"

/** What a DPoP proof is for: one request, at one server's word. */
export type ProofRequest = {
  method: string
  /** Absolute; query and fragment are left out. */
  url: string
  /** The server's, from its DPoP-Nonce header. */
  nonce?: string
  /** The access token that goes with it. */
  token?: string
  /** Now by the server's clock, milliseconds since the Unix epoch; this machine's unless told. */
  nowMs?: number
}

/** What a client assertion is for. */
export type AssertionRequest = { client: string; audience: string; nowMs?: number }

/** Signs DPoP proofs (RFC 9449 §4) and client assertions (RFC 7523) with one EC P-256 key. */
export interface Prover {
  /** RFC 7638 thumbprint of the key. */
  readonly jkt: string
  /** A proof for exactly one request: compact JWS, ES256. */
  proof(request: ProofRequest): string
  /** An assertion that lives a minute, for one authorization server and nobody else. */
  assertion(request: AssertionRequest): string
}

const ASSERTION_SECONDS = 60

/** Prepares a key: what is the same in every proof is written once. */
export function createProver(privateKey: KeyObject): Prover {
  const { crv, kty, x, y } = createPublicKey(privateKey).export({ format: "jwk" })
  // RFC 7638 §3.2: these members, in this order.
  const jwk = { crv, kty, x, y }
  const jkt = digest(JSON.stringify(jwk))
  const proofHeader = encode({ typ: "dpop+jwt", alg: "ES256", jwk })
  const assertionHeader = encode({ typ: "client-authentication+jwt", alg: "ES256", kid: jkt })
  const jws = (header: string, claims: object) => {
    const input = `${header}.${encode(claims)}`
    return `${input}.${sign("sha256", Buffer.from(input), { key: privateKey, dsaEncoding: "ieee-p1363" }).toString("base64url")}`
  }
  return {
    jkt,
    proof({ method, url, nonce, token, nowMs = Date.now() }) {
      const { origin, pathname } = new URL(url)
      const request = { jti: newJti(), htm: method, htu: origin + pathname, iat: Math.floor(nowMs / 1000) }
      return jws(proofHeader, { ...request, ...(nonce && { nonce }), ...(token && { ath: digest(token) }) })
    },
    assertion({ client, audience, nowMs = Date.now() }) {
      const iat = Math.floor(nowMs / 1000)
      const times = { iat, exp: iat + ASSERTION_SECONDS }
      return jws(assertionHeader, { iss: client, sub: client, aud: audience, jti: newJti(), ...times })
    },
  }
}

/** RFC 9449 §4.2 asks for 96 random bits at the least. */
function newJti(): string {
  return randomBytes(16).toString("base64url")
}

function digest(text: string): string {
  return createHash("sha256").update(text).digest("base64url")
}

function encode(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString("base64url")
}
