import { type KeyObject, verify } from "node:crypto"

/** What an ECDSA signature over P-256 is claimed to be: whose, over what, and in which form. */
export type EcdsaClaim = {
  key: KeyObject
  message: Uint8Array
  signature: Uint8Array
  /** As JOSE writes it, two numbers of 32 bytes (RFC 7518 §3.4); or as certificates do, DER (RFC 3279 §2.2.3). */
  form: "jose" | "der"
  digest?: "sha256" | "sha384" | "sha512"
}

/** Every ECDSA signature that decides anything here is judged by this. False for whatever is no signature of that EC key. */
export function isEcdsaSignature({ key, message, signature, form, digest = "sha256" }: EcdsaClaim): boolean {
  if (key.asymmetricKeyType !== "ec") return false
  return verify(digest, message, { key, dsaEncoding: form === "jose" ? "ieee-p1363" : "der" }, signature)
}
