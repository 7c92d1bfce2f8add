import { generateKeyPairSync, type KeyObject, randomUUID } from "node:crypto"
import { calculateJwkThumbprint, exportJWK, type JWK, type JWTHeaderParameters, SignJWT } from "jose"
import { base64url, sha256 } from "#kernel"

/** A key, and proofs and assertions made with it by jose: nothing of this is ours. */
export type Signer = {
  privateKey: KeyObject
  jwk: JWK
  jkt: string
  /** SHA-256 of the SubjectPublicKeyInfo, base64url. */
  keyThumbprint: string
  /** A DPoP proof, right in all that the claims do not change. */
  proof(claims: Claims, header?: Partial<JWTHeaderParameters>, key?: KeyObject | Uint8Array): Promise<string>
  /** A client assertion, right in all that the claims do not change. */
  assertion(claims: Claims, header?: Partial<JWTHeaderParameters>, key?: KeyObject | Uint8Array): Promise<string>
}

type Claims = { [name: string]: unknown }

/** Now, in seconds. */
export const seconds = (): number => Math.floor(Date.now() / 1000)

/** What `ath` has to be for that token (RFC 9449 §4.2). */
export const hashOf = (token: string): string => base64url(sha256(token))

/** A new EC P-256 key. */
export async function newSigner(pair = generateKeyPairSync("ec", { namedCurve: "P-256" })): Promise<Signer> {
  const { privateKey, publicKey } = pair
  const jwk = await exportJWK(publicKey)
  const jkt = await calculateJwkThumbprint(jwk)
  const sign = (claims: Claims, header: JWTHeaderParameters, key: KeyObject | Uint8Array) =>
    new SignJWT(claims).setProtectedHeader(header).sign(key)
  return {
    privateKey,
    jwk,
    jkt,
    keyThumbprint: base64url(sha256(publicKey.export({ type: "spki", format: "der" }))),
    proof: (claims, header, key = privateKey) =>
      sign({ jti: randomUUID(), iat: seconds(), ...claims }, { typ: "dpop+jwt", alg: "ES256", jwk, ...header }, key),
    assertion: (claims, header, key = privateKey) =>
      sign(
        { jti: randomUUID(), iat: seconds(), exp: seconds() + 60, ...claims },
        { alg: "ES256", kid: jkt, ...header },
        key,
      ),
  }
}

/** A JWS without a signature, or with that of somebody else: what no library makes. */
export function unsigned(header: object, claims: object, signature = ""): string {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url")
  return `${part(header)}.${part(claims)}.${signature}`
}
