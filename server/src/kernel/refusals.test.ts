import assert from "node:assert/strict"
import { test } from "node:test"
import { refusals } from "./refusals.ts"

/**
 * RFC 6749 §5.2; RFC 9449 §5 and §8; RFC 6750 §3.1 for where tokens are presented; RFC 8693 §2.2.2; RFC 9396 §5; RFC 7009
 * §2.2.1; OpenID Connect Core §3.1.2.6 and RFC 6749 §4.1.2.1, where a user has to be asked; two of the latter for 5xx.
 */
const CODES = [
  ...["invalid_request", "invalid_client", "invalid_grant", "unauthorized_client", "unsupported_grant_type"],
  ...["invalid_dpop_proof", "use_dpop_nonce", "invalid_token", "invalid_scope"],
  ...["invalid_target", "invalid_authorization_details", "unsupported_token_type", "consent_required", "access_denied"],
  ...["unsupported_response_type", "invalid_request_uri", "login_required"],
  // CIBA Core §11 and §13.
  ...["authorization_pending", "slow_down", "expired_token", "expired_login_hint_token", "unknown_user_id"],
  ...["invalid_binding_message", "invalid_user_code"],
]
const LATER = ["temporarily_unavailable", "server_error"]

test("every refusal has an OAuth error that a client of the token endpoint can know", () => {
  for (const [code, { oauth, status }] of Object.entries(refusals)) {
    const known = status >= 500 || status === 429 || status === 408 ? [...CODES, ...LATER] : CODES
    assert.ok(known.includes(oauth), `${code}: ${oauth}`)
  }
})
