import { createPublicKey, type KeyObject, verify } from "node:crypto"
import { base64url, sha256 } from "#kernel"
import type { Application } from "./applications.ts"
import { isSignedBy, type Jws, readCompact } from "./jws.ts"

/** What an application signed, and the key: SHA-256 of its SubjectPublicKeyInfo, base64url. */
export type SignedByApplication = Jws & { keyThumbprint: string }

type Held = { key: KeyObject; keyThumbprint: string }

/** By the parsed key of a configuration: to import one costs more than to verify with it. */
const imported = new WeakMap<object, Held>()

/**
 * Takes a JWS apart that one of the application's registered keys signed, which `kid` names. The key says which algorithm it
 * may be (RFC 8725 §3.1): ES256 for one on P-256, EdDSA for one of Ed25519; `jwk`, `jku` and `x5u` of the header are not
 * looked at. Throws an Error that says what is wrong; what the payload says is the caller's to judge.
 */
export function signedByApplication(application: Application, text: string): SignedByApplication {
  const jws = readCompact(text)
  const named = application.keys.filter(({ kid }) => kid === jws.header["kid"])
  // Of two keys under one name nobody could say which of them signed.
  if (named.length !== 1) throw new Error("kid is not the name of one key of the application")
  const { key, keyThumbprint } = held(named[0]!)
  const isRight =
    key.asymmetricKeyType === "ec"
      ? jws.header["alg"] === "ES256" && jws.signature.length === 64 && isSignedBy(jws, key)
      : ["EdDSA", "Ed25519"].includes(jws.header["alg"] as string) &&
        verify(null, Buffer.from(jws.input), key, jws.signature)
  if (!isRight) throw new Error("the signature is not by that key, or with another algorithm than its own")
  return { ...jws, keyThumbprint }
}

function held(jwk: Application["keys"][number]): Held {
  const known = imported.get(jwk)
  if (known !== undefined) return known
  const key = createPublicKey({ key: { ...jwk }, format: "jwk" })
  const keyThumbprint = base64url(sha256(key.export({ type: "spki", format: "der" })))
  const made = { key, keyThumbprint }
  imported.set(jwk, made)
  return made
}
