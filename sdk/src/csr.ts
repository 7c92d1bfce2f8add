import { createPublicKey, type KeyObject, sign } from "node:crypto"
import { bitString, integer, oid, pem, sequence, tlv } from "./der.ts"

/** ecdsa-with-SHA256 (RFC 5758 §3.2). */
const ECDSA_SHA256 = sequence(oid("1.2.840.10045.4.3.2"))

/**
 * A PKCS#10 certificate request (RFC 2986 §4) for an EC P-256 key, PEM. It names nobody: which SPIFFE ID the key gets
 * is the server's to say, from the join token or from the certificate that the connection proves.
 */
export function createRequest(privateKey: KeyObject): string {
  const publicKey = createPublicKey(privateKey).export({ type: "spki", format: "der" })
  const noSubject = sequence()
  const noAttributes = tlv(0xa0)
  const info = sequence(integer(Uint8Array.of(0)), noSubject, publicKey, noAttributes)
  const signature = sign("sha256", info, privateKey)
  return pem("CERTIFICATE REQUEST", sequence(info, ECDSA_SHA256, bitString(signature)))
}
