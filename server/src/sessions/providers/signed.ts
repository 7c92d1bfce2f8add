import { constants, type KeyObject, verify } from "node:crypto"
import { isEcdsaSignature } from "#kernel"
import type { Jws } from "../jws.ts"
import type { Algorithm } from "./profiles.ts"

/** What a key is, and so what may be signed with it. RSA below 2048 bits is none (RFC 7518 §3.3). */
export function algorithmsOf(key: KeyObject): readonly Algorithm[] {
  const { modulusLength = 0, namedCurve } = key.asymmetricKeyDetails ?? {}
  if (key.type !== "public") return []
  if (key.asymmetricKeyType === "rsa") return modulusLength >= 2048 && modulusLength <= 8192 ? ["RS256", "PS256"] : []
  if (key.asymmetricKeyType === "ed25519") return ["EdDSA", "Ed25519"]
  if (key.asymmetricKeyType !== "ec") return []
  return namedCurve === "prime256v1" ? ["ES256"] : namedCurve === "secp384r1" ? ["ES384"] : []
}

/** True when that key signed it with that algorithm, and is a key for it: what the header says of either is not asked. */
export function isSignedWith({ input, signature }: Jws, algorithm: Algorithm, key: KeyObject): boolean {
  if (!algorithmsOf(key).includes(algorithm)) return false
  const message = Buffer.from(input)
  switch (algorithm) {
    case "RS256":
      return verify("sha256", message, { key, padding: constants.RSA_PKCS1_PADDING }, signature)
    case "PS256":
      // RFC 7518 §3.5: the salt is as long as the hash.
      return verify("sha256", message, { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 }, signature)
    case "ES256":
      return signature.length === 64 && isEcdsaSignature({ key, message, signature, form: "jose" })
    case "ES384":
      return signature.length === 96 && isEcdsaSignature({ key, message, signature, form: "jose", digest: "sha384" })
    case "EdDSA":
    case "Ed25519":
      return verify(null, message, key, signature)
  }
}
