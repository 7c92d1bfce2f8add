import type { About, Unsigned, Vendor } from "./vendor.fixture.ts"

const ENVIRONMENT = "abfba8f6-49eb-49f5-a5d9-80ad5c98f9f6"
const USER = "cf025143-501a-4d70-9c80-95d69121d7b3"
const AGENT = "adeeb901-7b64-453d-92bc-059bcbcc5958"

/**
 * An environment of PingOne. developer.pingidentity.com, "Discovery OpenID Configuration": everything below `/{environment}/as`, signing off at
 * `/as/signoff`, `pi.flow` among the response modes.
 */
export const ping: Vendor = {
  profile: "ping",
  path: `/${ENVIRONMENT}/as`,
  alg: "RS256",
  configuration: {
    scopes: ["openid", "profile"],
    claims: { customer: "customer_id" },
    roles: { claim: "p1.group", values: { "sec-admins": ["admin"] } },
    delegatedTokens: {
      agents: { [AGENT]: "support-bot" },
      mayActClaim: "may_act",
      scopes: {},
      detailsClaim: "authorization_details",
      sessionClaim: "sid",
    },
  },
  metadata: (issuer) => ({
    issuer,
    authorization_endpoint: `${issuer}/authorize`,
    pushed_authorization_request_endpoint: `${issuer}/par`,
    token_endpoint: `${issuer}/token`,
    userinfo_endpoint: `${issuer}/userinfo`,
    jwks_uri: `${issuer}/jwks`,
    end_session_endpoint: `${issuer}/signoff`,
    introspection_endpoint: `${issuer}/introspect`,
    revocation_endpoint: `${issuer}/revoke`,
    device_authorization_endpoint: `${issuer}/device_authorization`,
    claims_parameter_supported: false,
    request_parameter_supported: true,
    request_uri_parameter_supported: false,
    require_pushed_authorization_requests: false,
    scopes_supported: ["openid", "profile", "email", "address", "phone"],
    response_types_supported: [
      "code",
      "id_token",
      "token id_token",
      "code id_token",
      "code token",
      "code token id_token",
    ],
    response_modes_supported: ["pi.flow", "query", "fragment", "form_post"],
    grant_types_supported: ["authorization_code", "implicit", "client_credentials", "refresh_token"],
    subject_types_supported: ["public"],
    id_token_signing_alg_values_supported: ["RS256"],
    token_endpoint_auth_methods_supported: [
      "client_secret_basic",
      "client_secret_post",
      "client_secret_jwt",
      "private_key_jwt",
    ],
    code_challenge_methods_supported: ["plain", "S256"],
  }),
  // "Token claims", ID tokens: `acr` is the name of the sign-on policy.
  idToken: ({ issuer, client, nonce, sid, now }) => ({
    header: {},
    payload: {
      iss: issuer,
      sub: USER,
      aud: client,
      iat: now,
      exp: now + 3600,
      acr: "Single_Factor",
      amr: ["pwd"],
      auth_time: now - 10,
      ...(nonce !== undefined && { nonce }),
      sid,
      env: ENVIRONMENT,
      org: "84c4c0c0-0ca2-43b4-a62c-d830882855bc",
      "p1.region": "EU",
      "p1.group": ["sec-admins"],
      customer_id: "1001",
    },
  }),
  // Same page, access tokens: `aud` is a list, `typ: at+jwt` only from March 2027 on without being asked for.
  accessToken: ({ issuer, client, audience, sid, now }) => ({
    header: {},
    payload: {
      acr: "Single_Factor",
      aud: [audience],
      auth_time: now - 10,
      client_id: client,
      env: ENVIRONMENT,
      exp: now + 3600,
      iat: now,
      iss: issuer,
      jti: "3121e22a-5958-4bf1-a369-ba296b444930",
      // "Securing AI agents with PingOne": mapped for whoever may act.
      may_act: { sub: AGENT },
      org: "84c4c0c0-0ca2-43b4-a62c-d830882855bc",
      "p1.userId": USER,
      scope: "orders",
      sid,
      sub: USER,
      customer_id: "1001",
    },
  }),
  expected: { sub: USER, claims: { customer: ["1001"] }, roles: ["admin"], hasSid: true, acr: "Single_Factor" },
  signInAnswer: () => ({}),
  tokenAnswer: { scope: "openid profile" },
}

/** "Securing AI agents with PingOne", the exchanged token: `act` is the agent's client. */
export function pingDelegated(about: About): Unsigned {
  const { header, payload } = ping.accessToken!({ ...about, client: AGENT })
  const { may_act: act, ...rest } = payload as { [claim: string]: unknown }
  return { header, payload: { ...rest, act } }
}

/** Same guide: where nobody acts, an expression may write a word in place of an object. */
export function pingNoActor(about: About): Unsigned {
  const { header, payload } = pingDelegated(about)
  return { header, payload: { ...payload, act: "noActor" } }
}
