import {
  type AuthenticationResponseJSON,
  generateAuthenticationOptions,
  type PublicKeyCredentialRequestOptionsJSON,
  verifyAuthenticationResponse,
} from "@simplewebauthn/server"
import { z } from "zod"
import { base64url, equal, fromBase64url, Refusal } from "#kernel"
import { type AuthenticatorFacts, type PasskeyEvidence, verifyAssertion } from "../evidence/assertion.ts"
import type { Passkey } from "./passkey.ts"
import { userHandle } from "./register.ts"
import type { Site } from "./site.ts"

const bytes = z
  .string()
  .min(1)
  .max(8_192)
  .regex(/^[A-Za-z0-9_-]+$/)

/** What comes back from navigator.credentials.get(), as toJSON() writes it (WebAuthn Level 3 §5.1.8). Unknown members are passed over. */
export const assertionSchema = z.object({
  id: bytes,
  rawId: bytes,
  type: z.literal("public-key"),
  response: z.object({
    clientDataJSON: bytes,
    authenticatorData: bytes,
    signature: bytes,
    userHandle: bytes.nullish(),
  }),
})

/** The same, parsed. */
export type AssertionAnswer = z.infer<typeof assertionSchema>

/** What a page asks for a signature with: exactly these bytes, by one of these keys, verified by their owner. */
export async function assertionOptions(
  { rpId }: Site,
  { challenge, keys }: { challenge: Buffer; keys: readonly Passkey[] },
): Promise<PublicKeyCredentialRequestOptionsJSON> {
  return await generateAuthenticationOptions({
    rpID: rpId,
    challenge: new Uint8Array(challenge),
    timeout: 120_000,
    userVerification: "required",
    allowCredentials: keys.map(({ credentialId, transports }) => ({ id: credentialId, transports }) as never),
  })
}

/**
 * Verifies that this key signed these bytes at this site, now (WebAuthn Level 3 §7.2), by a library and then as it will be
 * verified offline: what counts today has to count for whoever looks at it in years. Its counter is the caller's to compare.
 * Throws `passkey-invalid`.
 */
export async function readAssertion(
  { rpId, origin }: Site,
  { answer, challenge, key }: { answer: AssertionAnswer; challenge: Buffer; key: Passkey },
): Promise<{ evidence: PasskeyEvidence; facts: AuthenticatorFacts }> {
  const { clientDataJSON, authenticatorData, signature, userHandle: handle } = answer.response
  const evidence = {
    credentialId: key.credentialId,
    publicKey: key.publicKey,
    clientDataJSON,
    authenticatorData,
    signature,
  }
  try {
    if (answer.id !== key.credentialId) throw new Error("another key's")
    if (handle != null && !equal(fromBase64url(handle), userHandle(key.user))) throw new Error("another user's")
    const { verified } = await verifyAuthenticationResponse({
      response: { ...answer, clientExtensionResults: {} } as unknown as AuthenticationResponseJSON,
      expectedChallenge: base64url(challenge),
      expectedOrigin: origin,
      expectedRPID: rpId,
      requireUserVerification: true,
      // Compared when it is noted, in one statement, so that of two at once one is found.
      credential: { id: key.credentialId, publicKey: new Uint8Array(fromBase64url(key.publicKey)), counter: 0 },
    })
    if (!verified) throw new Error("not verified")
    const facts = verifyAssertion(evidence, { rpId, origin, challenge })
    // §7.2 step 21: whether a key can be copied never changes.
    if (facts.isBackupEligible !== key.isBackupEligible) throw new Error("another kind of key")
    return { evidence, facts }
  } catch (cause) {
    const message = "Your passkey did not sign exactly this, at this page. Nothing was approved. Open the page again."
    throw new Refusal("passkey-invalid", message, { cause })
  }
}
