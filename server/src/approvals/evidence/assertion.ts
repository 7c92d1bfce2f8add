import { z } from "zod"
import { equal, fromBase64url, type Json, parseJson, Refusal, sha256 } from "#kernel"
import { isSignedBy, readPasskeyKey } from "./cose.ts"

const bytes = z
  .string()
  .max(8_192)
  .regex(/^[A-Za-z0-9_-]+$/)

/** What a passkey signed, as it is recorded: everything that whoever has no database needs, base64url. */
export const passkeyEvidence = z.strictObject({
  credentialId: bytes,
  publicKey: bytes,
  clientDataJSON: bytes,
  authenticatorData: bytes,
  signature: bytes,
})

/** The same, parsed. */
export type PasskeyEvidence = z.infer<typeof passkeyEvidence>

/** What a signature has to be for: whose page asked, and which 32 bytes. */
export type ExpectedAssertion = { rpId: string; origin: string; challenge: Uint8Array }

/** What authenticator data says (WebAuthn Level 3 §6.1). */
export type AuthenticatorFacts = {
  isUserPresent: boolean
  isUserVerified: boolean
  /** Whether the key can be copied to other devices of its owner's, and is. */
  isBackupEligible: boolean
  isBackedUp: boolean
  counter: number
}

/**
 * Verifies a recorded assertion with the key that is in it, as WebAuthn Level 3 §7.2 has it, with nothing but the platform's
 * cryptography: no database, and no library that is not there any more. Throws `not-verified`. Whose key it is stands elsewhere.
 */
export function verifyAssertion(evidence: PasskeyEvidence, expected: ExpectedAssertion): AuthenticatorFacts {
  const clientData = bytesOf(evidence.clientDataJSON)
  const authenticatorData = bytesOf(evidence.authenticatorData)
  requireClientData(clientData, expected)
  const facts = readAuthenticatorData(authenticatorData, expected.rpId)
  if (!facts.isUserPresent) throw refused("nobody was present at the authenticator")
  if (!facts.isUserVerified) throw refused("the authenticator did not verify who used it")
  const message = Buffer.concat([authenticatorData, sha256(clientData)])
  if (!isSignedBy(readPasskeyKey(bytesOf(evidence.publicKey)), message, bytesOf(evidence.signature))) {
    throw refused("its signature does not verify")
  }
  return facts
}

/** The 32 bytes that a recorded assertion says it signs, nothing verified. Throws `not-verified`. */
export function challengeIn({ clientDataJSON }: PasskeyEvidence): Buffer {
  const given = objectOf(bytesOf(clientDataJSON))["challenge"]
  const challenge = typeof given === "string" ? bytesOf(given) : null
  if (challenge?.length !== 32) throw refused("it signs no statement")
  return challenge
}

/** §7.2 steps 10 to 14. `topOrigin` and a truthy `crossOrigin` say that another site drew our page. */
function requireClientData(clientData: Buffer, { origin, challenge }: ExpectedAssertion): void {
  const said = objectOf(clientData)
  if (said["type"] !== "webauthn.get") throw refused("it is not an answer to a question")
  const given = said["challenge"]
  if (typeof given !== "string" || !equal(bytesOf(given), challenge)) throw refused("it signs something else")
  if (said["origin"] !== origin) throw refused("another site asked for it")
  const isAlone = said["crossOrigin"] === undefined || said["crossOrigin"] === false
  if (!isAlone || said["topOrigin"] !== undefined) throw refused("our page was drawn into another site's")
  if (isBound(said["tokenBinding"])) throw refused("it is bound to a connection that nobody can look at any more")
}

/** Level 2 §5.8.1: only a binding that is `present` binds; others say that there is none. */
function isBound(binding: Json | undefined): boolean {
  if (binding === undefined) return false
  const status = typeof binding === "object" && binding !== null && !Array.isArray(binding) ? binding["status"] : null
  return status !== "supported" && status !== "not-supported"
}

const [PRESENT, VERIFIED, ELIGIBLE, BACKED_UP, ATTESTED, EXTENDED] = [0x01, 0x04, 0x08, 0x10, 0x40, 0x80] as const
/** Hash of the site's name, flags, counter. */
const LEAST_BYTES = 37

/** Reads the authenticator data of an assertion. Throws `not-verified` for another site's, and for what is malformed. */
export function readAuthenticatorData(authenticatorData: Buffer, rpId: string): AuthenticatorFacts {
  if (authenticatorData.length < LEAST_BYTES) throw refused("its authenticator data breaks off")
  if (!equal(authenticatorData.subarray(0, 32), sha256(rpId))) throw refused("its key is another site's")
  const flags = authenticatorData[32]!
  if ((flags & ATTESTED) !== 0) throw refused("it brings a key along")
  if ((flags & EXTENDED) === 0 && authenticatorData.length > LEAST_BYTES) throw refused("something comes after it")
  if ((flags & BACKED_UP) !== 0 && (flags & ELIGIBLE) === 0) throw refused("its flags contradict each other")
  return {
    isUserPresent: (flags & PRESENT) !== 0,
    isUserVerified: (flags & VERIFIED) !== 0,
    isBackupEligible: (flags & ELIGIBLE) !== 0,
    isBackedUp: (flags & BACKED_UP) !== 0,
    counter: authenticatorData.readUInt32BE(33),
  }
}

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })

function objectOf(clientData: Buffer): { [name: string]: Json } {
  try {
    const value = parseJson(utf8.decode(clientData))
    if (typeof value === "object" && value !== null && !Array.isArray(value)) return value
  } catch (cause) {
    throw refused("its client data cannot be read", cause)
  }
  throw refused("its client data cannot be read")
}

function bytesOf(text: string): Buffer {
  try {
    return fromBase64url(text)
  } catch (cause) {
    throw refused("a part of it is not base64url", cause)
  }
}

function refused(why: string, cause?: unknown): Refusal {
  return new Refusal("not-verified", `The passkey's signature does not count: ${why}.`, { cause })
}
