import { z } from "zod"

const text = z.string()
const seconds = z.string().regex(/^[1-9]\d{0,6}$/, "a number of seconds")

/**
 * What the token endpoint takes, by all its grants. Each grant reads what is its own; what else is sent is ignored (RFC 6749
 * §3.2), except where ignoring it would grant more than was asked for.
 */
export const tokenForm = z.object({
  grant_type: text,
  client_id: text.optional(),
  /** Read before anything else of the form is looked at. */
  client_assertion: text.optional(),
  client_assertion_type: text.optional(),
  /** Never taken: what may be done is said by `authorization_details`. */
  scope: text.optional(),
  /** RFC 9396 §6: no more than this, of what the user granted. */
  authorization_details: text.optional(),

  /** client_credentials: the session that the token is for; without it the token is the agent's own, and opens sessions. */
  safeconduct_session: text.optional(),

  /** authorization_code (RFC 6749 §4.1.3, RFC 7636 §4.5). */
  code: text.optional(),
  redirect_uri: text.optional(),
  code_verifier: text.optional(),

  /** Token exchange (RFC 8693 §2.1). */
  subject_token: text.optional(),
  subject_token_type: text.optional(),
  actor_token: text.optional(),
  actor_token_type: text.optional(),
  requested_token_type: text.optional(),
  audience: text.optional(),
  resource: text.optional(),
  /** Whose subject token it is, where the token itself cannot say. */
  safeconduct_provider: text.optional(),

  /** JWT bearer (RFC 7523 §2.1): an ID-JAG. */
  assertion: text.optional(),

  /** OpenID CIBA (CIBA Core §10.1). */
  auth_req_id: z.string().max(200).optional(),

  /** What a session is opened for, by an exchange or an assertion. */
  safeconduct_purpose: z
    .string()
    .regex(/^[a-z][a-z0-9-]{0,62}$/, "must be the name of a purpose")
    .optional(),
  safeconduct_statement: text.optional(),
  safeconduct_lifetime_seconds: seconds.optional(),
  safeconduct_hard_end_seconds: seconds.optional(),
})

/** A token request, parsed. */
export type TokenForm = z.infer<typeof tokenForm>

/** RFC 7662 §2.1, RFC 7009 §2.1. A hint is not needed to find a token of ours. */
export const presentedForm = z.object({
  token: z.string().max(16_384),
  token_type_hint: text.optional(),
  client_id: text.optional(),
  client_assertion: text.optional(),
  client_assertion_type: text.optional(),
})

/** A request about a token, parsed. */
export type PresentedForm = z.infer<typeof presentedForm>
