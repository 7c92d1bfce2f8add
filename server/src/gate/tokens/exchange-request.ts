import { Refusal } from "#kernel"
import type { ActionDetail, PresentedToken, SubjectTokenType } from "#sessions"
import { detailsOf } from "../consent/parameters.ts"
import type { TokenForm } from "./form.ts"

/** RFC 8693 §3 */
export const ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"
const ID_JAG = "urn:ietf:params:oauth:token-type:id-jag"

/** What subject tokens may be said to be. An access token that is a JWT may be said to be one. */
const SUBJECT_TYPES: { readonly [urn: string]: SubjectTokenType } = {
  [ACCESS_TOKEN]: ACCESS_TOKEN,
  "urn:ietf:params:oauth:token-type:jwt": ACCESS_TOKEN,
  "urn:ietf:params:oauth:token-type:id_token": "urn:ietf:params:oauth:token-type:id_token",
  [ID_JAG]: ID_JAG,
}

/** A request for a session on behalf of whom a token names, with everything checked that needs nobody else. */
export type ExchangeRequest = {
  presented: PresentedToken
  /** The agent's own, where it showed that too. */
  actorToken: string | null
  purpose: string
  /** Not more than this; null for all that the user granted. */
  details: ActionDetail[] | null
  statement: string | null
  lifetimeSeconds: number | undefined
  hardEndSeconds: number | undefined
}

/**
 * Reads a token exchange (RFC 8693 §2.1), or an assertion, which is one of an ID-JAG (RFC 7523 §2.1). Throws
 * `invalid-request`, `target-invalid`, `scope-invalid`, `details-invalid`.
 */
export function readExchange(issuer: string, form: TokenForm, isAssertion: boolean): ExchangeRequest {
  requireTarget(issuer, form)
  if (form.scope !== undefined) {
    throw new Refusal("scope-invalid", "There are no scopes here; say in authorization_details what may be done.")
  }
  const { safeconduct_purpose: purpose, safeconduct_statement: statement = null } = form
  if (purpose === undefined) throw new Refusal("invalid-request", "Say in safeconduct_purpose what the session is for.")
  return {
    presented: isAssertion ? assertionOf(form) : subjectOf(form),
    actorToken: isAssertion ? null : actorOf(form),
    purpose,
    details: detailsOf(form.authorization_details),
    statement,
    lifetimeSeconds: numberOf(form.safeconduct_lifetime_seconds),
    hardEndSeconds: numberOf(form.safeconduct_hard_end_seconds),
  }
}

/** RFC 8707 §2, RFC 8693 §2.2.2: our tokens are for us, and whoever guards a resource asks us what they are. */
function requireTarget(issuer: string, { audience, resource, requested_token_type: type }: TokenForm): void {
  if ([audience, resource].some((each) => each !== undefined && each !== issuer)) {
    throw new Refusal("target-invalid", `Tokens are for this issuer alone: leave audience and resource out.`)
  }
  if (type === undefined || type === ACCESS_TOKEN) return
  throw new Refusal("invalid-request", `requested_token_type can only be ${ACCESS_TOKEN}.`)
}

function subjectOf({ subject_token: token, subject_token_type: urn, safeconduct_provider: provider }: TokenForm) {
  if (token === undefined) throw new Refusal("invalid-request", "Send the user's token as subject_token.")
  const type = urn !== undefined && Object.hasOwn(SUBJECT_TYPES, urn) ? SUBJECT_TYPES[urn] : undefined
  if (type === undefined) {
    throw new Refusal("invalid-request", `subject_token_type is one of ${Object.keys(SUBJECT_TYPES).join(", ")}.`)
  }
  return { token, type, ...(provider === undefined ? {} : { provider }) }
}

function assertionOf({ assertion }: TokenForm): PresentedToken {
  if (assertion !== undefined) return { token: assertion, type: ID_JAG }
  throw new Refusal("invalid-request", "Send the identity assertion grant (ID-JAG) as assertion.")
}

/** RFC 8693 §2.1: one without the other means nothing. */
function actorOf({ actor_token: token, actor_token_type: type }: TokenForm): string | null {
  if (token === undefined && type === undefined) return null
  if (token !== undefined && type === ACCESS_TOKEN) return token
  throw new Refusal(
    "invalid-request",
    `An actor_token is an access token of your own: actor_token_type ${ACCESS_TOKEN}.`,
  )
}

function numberOf(text: string | undefined): number | undefined {
  return text === undefined ? undefined : Number(text)
}
