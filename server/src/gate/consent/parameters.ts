import { type Json, parseJson, Refusal } from "#kernel"
import {
  type ActionDetail,
  type Asked,
  declaredParameters,
  type Parameters,
  type Purpose,
  parseDetails,
  plainText,
  type RequestText,
} from "#sessions"

/** Parameters of an authorization request, each of which came once (RFC 6749 §3.1). */
export type AskedBy = { readonly [name: string]: string | undefined }

/** Code flow with PKCE S256, answered in the query. Throws `invalid-request`, `response-type-unsupported`. */
export function requireCodeFlow(given: AskedBy): void {
  const { response_type: type, response_mode: mode, code_challenge: challenge, code_challenge_method: method } = given
  if (type === undefined) throw bad("response_type is missing; it is code.")
  if (type !== "code") throw new Refusal("response-type-unsupported", "The only response_type here is code.")
  if (mode !== undefined && mode !== "query") throw bad("The only response_mode here is query.")
  if (challenge === undefined || !/^[A-Za-z0-9_-]{43}$/.test(challenge)) {
    throw bad("code_challenge is the SHA-256 of a code_verifier in base64url (RFC 7636 §4.2).")
  }
  // Absent, it would mean plain: then whoever reads the request could redeem the code.
  if (method !== "S256") throw bad("code_challenge_method is S256, and has to be said.")
}

/** What would be a promise if it were passed over. */
export function refuseUnmeant(given: AskedBy, issuer: string): void {
  if (given["scope"] !== undefined) {
    throw new Refusal("scope-invalid", "There are no scopes here: say what is asked for in authorization_details.")
  }
  if (given["resource"] !== undefined && given["resource"] !== issuer) {
    throw new Refusal("target-invalid", "Tokens are for this server alone; leave resource out.")
  }
  if (given["request"] !== undefined) throw bad("Request objects are not taken here; push the request (RFC 9126).")
}

/** RFC 9396 §5: what is not understood is refused as a whole. */
export function detailsOf(text: string | undefined): ActionDetail[] | null {
  if (text === undefined) return null
  const what = "authorization_details is a list of details of the type safeconduct_action"
  let details: ActionDetail[]
  try {
    details = parseDetails(parseJson(text))
  } catch (cause) {
    const where = cause instanceof Refusal ? cause.message : ""
    throw new Refusal("details-invalid", `${what}. ${where}`.trim(), { cause })
  }
  if (details.length > 0) return details
  throw new Refusal("details-invalid", `${what}; an empty one asks for nothing.`)
}

/** The request in the agent's words: the user's own yes on the page that shows it makes it theirs. */
export function requestTextOf(text: string | undefined): RequestText | null {
  return text === undefined ? null : { kind: "consent", text: plainText(text, "safeconduct_request") }
}

/** Values of parameters that the purpose declares. Throws `invalid-request`, `statement-invalid`. */
export function parametersOf(purpose: Purpose, text: string | undefined): Parameters {
  if (text === undefined) return {}
  const values = readJson(text, "safeconduct_parameters")
  if (typeof values !== "object" || values === null || Array.isArray(values)) {
    throw bad("safeconduct_parameters is a JSON object.")
  }
  for (const value of Object.values(values)) {
    if (typeof value === "string") plainText(value, "safeconduct_parameters")
  }
  return declaredParameters(purpose, values)
}

/** RFC 9449 §10 */
export function jktOf(text: string | undefined): string | null {
  if (text === undefined || /^[A-Za-z0-9_-]{43}$/.test(text)) return text ?? null
  throw bad("dpop_jkt is the SHA-256 thumbprint of a key (RFC 9449 §10).")
}

/** RFC 6749 Appendix A.5 */
export function stateOf(text: string | undefined): string | null {
  if (text === undefined || /^[\x20-\x7e]{1,2000}$/.test(text)) return text ?? null
  throw bad("state is 1 to 2,000 printable characters.")
}

/** OpenID Connect Core §3.1.2.1, one at a time. */
export function promptOf(text: string | undefined): Asked["prompt"] {
  if (text === undefined) return null
  if (text === "login" || text === "consent" || text === "none") return text
  throw bad("prompt is login, consent or none.")
}

/** OpenID Connect Core §3.1.2.1 */
export function maxAgeOf(text: string | undefined): number | null {
  if (text === undefined || /^\d{1,7}$/.test(text)) return text === undefined ? null : Number(text)
  throw bad("max_age is a number of seconds.")
}

function readJson(text: string, parameter: string): Json {
  try {
    return parseJson(text)
  } catch (cause) {
    throw new Refusal("invalid-request", `${parameter} is not JSON that can be read in one way only.`, { cause })
  }
}

/** A mistake of the client. */
export function bad(message: string): Refusal {
  return new Refusal("invalid-request", message)
}
