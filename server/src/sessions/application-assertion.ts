import { type Clock, Refusal } from "#kernel"
import { signedByApplication } from "./application-key.ts"
import type { Application } from "./applications.ts"
import { assertionClaims, assertionForm, assertionTypes, requireTimes } from "./assertion.ts"
import { readCompact } from "./jws.ts"

/** An application that authenticated as a client, by an assertion that is not used up yet. */
export type ApplicationAssertion = { application: Application; jti: string; expiresAtMs: number }

/**
 * Reads the client assertion of an application (RFC 7523 §2.2, private_key_jwt), signed by one of its registered keys. Throws
 * `client-assertion-invalid`.
 */
export function readApplicationAssertion(
  { issuer, clock, application: find }: { issuer: string; clock: Clock; application(name: string): Application | null },
  form: unknown,
): ApplicationAssertion {
  try {
    const { client_assertion: text } = assertionForm.parse(form)
    const name = readCompact(text).payload["iss"]
    const application = typeof name === "string" ? find(name) : null
    if (application === null) throw new Error("iss is no registered application")
    const { header, payload } = signedByApplication(application, text)
    // The same keys sign statements, which have a type of their own.
    if (!assertionTypes.some((each) => each === header["typ"])) throw new Error("typ is another one's")
    const { iss, sub, aud, jti, iat, exp } = assertionClaims.parse(payload)
    if (aud !== issuer) throw new Error("aud is not our issuer")
    if (iss !== sub) throw new Error("iss and sub differ")
    const { client_id: said } = form as { client_id?: unknown }
    if (said !== undefined && said !== iss) throw new Error("client_id is another one")
    requireTimes(clock.nowMs() / 1000, iat, exp)
    return { application, jti, expiresAtMs: exp * 1000 }
  } catch (cause) {
    const what = "Sign a client_assertion with the application's key: iss and sub its name, aud the issuer alone."
    throw new Refusal("client-assertion-invalid", `The application did not authenticate. ${what}`, { cause })
  }
}

/** For an assertion that came before, to whatever server. */
export function assertionUsed(): Refusal {
  return new Refusal(
    "client-assertion-invalid",
    "This client assertion was used before. Make a new one for each request.",
  )
}
