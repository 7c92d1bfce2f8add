import {
  generateRegistrationOptions,
  type PublicKeyCredentialCreationOptionsJSON,
  type RegistrationResponseJSON,
  verifyRegistrationResponse,
} from "@simplewebauthn/server"
import { decodeAttestationObject } from "@simplewebauthn/server/helpers"
import { z } from "zod"
import { base64url, fromBase64url, parseJson, Refusal, sha256 } from "#kernel"
import { coseAlgorithms, type PasskeyAlgorithm, readPasskeyKey } from "../evidence/cose.ts"
import type { Passkey } from "./passkey.ts"
import type { Site } from "./site.ts"

const bytes = z
  .string()
  .min(1)
  .max(16_384)
  .regex(/^[A-Za-z0-9_-]+$/)

/** What comes back from navigator.credentials.create(), as toJSON() writes it (WebAuthn Level 3 §5.1.8). Unknown members are passed over. */
export const registrationSchema = z.object({
  id: bytes,
  rawId: bytes,
  type: z.literal("public-key"),
  response: z.object({
    clientDataJSON: bytes,
    attestationObject: bytes,
    transports: z.array(z.string().max(30)).max(10).optional(),
  }),
})

/** The same, parsed. */
export type RegistrationAnswer = z.infer<typeof registrationSchema>

/** A key that its owner's authenticator made for us. */
export type RegisteredKey = Pick<
  Passkey,
  "algorithm" | "counter" | "transports" | "aaguid" | "isBackupEligible" | "isBackedUp"
> & { credentialId: Buffer; publicKey: Buffer }

const algorithms = Object.values(coseAlgorithms)

/** What a page makes a passkey with: at this site, verified by its owner, findable without a name where the device can. */
export async function registrationOptions(
  { rpId }: Site,
  { challenge, user, name, existing }: { challenge: Buffer; user: string; name: string; existing: readonly Passkey[] },
): Promise<PublicKeyCredentialCreationOptionsJSON> {
  return await generateRegistrationOptions({
    rpName: "Safeconduct",
    rpID: rpId,
    challenge: new Uint8Array(challenge),
    // Random, as the id is: nobody learns from an authenticator who its owner is at their provider (§14.6.1).
    userID: userHandle(user),
    userName: name,
    userDisplayName: name,
    timeout: 300_000,
    attestationType: "none",
    excludeCredentials: existing.map(({ credentialId, transports }) => ({ id: credentialId, transports }) as never),
    authenticatorSelection: { residentKey: "preferred", userVerification: "required" },
    supportedAlgorithmIDs: algorithms,
  })
}

/** What authenticators keep instead of a name (§5.4.3). */
export function userHandle(user: string): Uint8Array<ArrayBuffer> {
  return new Uint8Array(Buffer.from(user))
}

/** The challenge that a registration says it answers, 32 bytes, nothing verified; null for what says none. */
export function challengeIn({ response }: RegistrationAnswer): Buffer | null {
  try {
    const said = parseJson(fromBase64url(response.clientDataJSON).toString("utf8"))
    const { challenge } = said as { challenge?: unknown }
    const given = typeof challenge === "string" ? fromBase64url(challenge) : null
    return given?.length === 32 ? given : null
  } catch {
    return null
  }
}

/**
 * What an older key signs to let a new one in: a digest over everything that the new one's authenticator said, the challenge and
 * the site in it. The page computes the same.
 */
export function vouchingChallenge({ response }: RegistrationAnswer): Buffer {
  const parts = [response.clientDataJSON, response.attestationObject].map((part) => sha256(fromBase64url(part)))
  return sha256(Buffer.concat([Buffer.from("safeconduct/passkey/1\0"), ...parts]))
}

/**
 * The key that a registration brings (§7.1). It must be one that verifies offline as well. No attestation is taken: we ask for
 * none, vouch for no maker, and following a certificate's links would let whoever made it up choose what we fetch. Throws
 * `passkey-invalid`.
 */
export async function readRegistration(
  { rpId, origin }: Site,
  answer: RegistrationAnswer,
  challenge: Buffer,
): Promise<RegisteredKey> {
  try {
    refuseAttested(answer)
    refuseFramed(answer)
    const { verified, registrationInfo: info } = await verifyRegistrationResponse({
      response: { ...answer, clientExtensionResults: {} } as RegistrationResponseJSON,
      expectedChallenge: base64url(challenge),
      expectedOrigin: origin,
      expectedRPID: rpId,
      requireUserVerification: true,
      supportedAlgorithmIDs: algorithms,
    })
    if (!verified || info === undefined || info.credential.id !== answer.id) throw new Error("not verified")
    const publicKey = Buffer.from(info.credential.publicKey)
    const { algorithm }: { algorithm: PasskeyAlgorithm } = readPasskeyKey(publicKey)
    return {
      credentialId: fromBase64url(info.credential.id),
      publicKey,
      algorithm,
      counter: info.credential.counter,
      transports: [...new Set(answer.response.transports ?? [])].filter((each) => /^[a-z-]{1,30}$/.test(each)),
      aaguid: info.aaguid,
      isBackupEligible: info.credentialDeviceType === "multiDevice",
      isBackedUp: info.credentialBackedUp,
    }
  } catch (cause) {
    const message = "This passkey was not made by your device for this page, just now. Begin again."
    throw new Refusal("passkey-invalid", message, { cause })
  }
}

/** Without a certificate there is nothing to follow; a key may sign for itself (§6.5.4). */
function refuseAttested({ response }: RegistrationAnswer): void {
  const object = decodeAttestationObject(new Uint8Array(fromBase64url(response.attestationObject)))
  const format = object.get("fmt")
  const isPlain = format === "none" || (format === "packed" && object.get("attStmt").get("x5c") === undefined)
  if (!isPlain) throw new Error("an attestation that was not asked for")
}

/** The library does not look at this for registrations: made inside of another site's page, it is none of ours. */
function refuseFramed({ response }: RegistrationAnswer): void {
  const said = parseJson(fromBase64url(response.clientDataJSON).toString("utf8")) as { [name: string]: unknown }
  if (said["crossOrigin"] === true || said["topOrigin"] !== undefined) throw new Error("drawn into another site's page")
}
