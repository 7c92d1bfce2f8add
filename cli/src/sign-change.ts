import { sign, X509Certificate } from "node:crypto"
import type { Identity } from "@safeconduct/sdk"

/** A change of the configuration, as an operator signs it: this one, at this deployment. */
export type SignedChange = { change: string; digest: string; expected: string | null; issuer: string }

/** A compact JWS (RFC 7515) by the key of an operator's SVID, with that in x5c: whoever has our root can verify it. */
export function signChange(identity: Identity, { change, digest, expected, issuer }: SignedChange): string {
  // The leaf comes first, and is the certificate that this operator connects with.
  const leaf = new X509Certificate(identity.svid).raw.toString("base64")
  const header = { typ: "safeconduct-change+jwt", alg: "ES256", x5c: [leaf] }
  const iat = Math.floor(Date.now() / 1000)
  const claims = { iss: identity.spiffeId, aud: issuer, change, digest, expected, iat }
  const input = [header, claims].map((part) => Buffer.from(JSON.stringify(part)).toString("base64url")).join(".")
  const key = { key: identity.privateKey, dsaEncoding: "ieee-p1363" } as const
  return `${input}.${sign("sha256", Buffer.from(input), key).toString("base64url")}`
}
