import type { About, Unsigned, Vendor } from "./vendor.fixture.ts"

const USER = "auth0|6553da60a54af58e29493993"
const AGENT = "agt_2qXbFhTMtSnWwNL5"

/**
 * A tenant of Auth0. Its discovery as many have it on record; auth0.com/docs, "Configure back-channel logout" adds the two members for it. Issuers end
 * in a slash, `plain` is among the methods of PKCE, and the end-session endpoint is published only where the tenant asks for it.
 */
export const auth0: Vendor = {
  profile: "auth0",
  path: "/",
  alg: "RS256",
  configuration: {
    clientAuthentication: "client_secret_post",
    scopes: ["openid", "profile"],
    // auth0.com/docs, "Create custom claims": names of one's own are URLs.
    claims: { customer: "https://shop.example/customer_id" },
    roles: { claim: "https://shop.example/roles", values: { "sec-admins": ["admin"] } },
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
    authorization_endpoint: `${issuer}authorize`,
    token_endpoint: `${issuer}oauth/token`,
    device_authorization_endpoint: `${issuer}oauth/device/code`,
    userinfo_endpoint: `${issuer}userinfo`,
    mfa_challenge_endpoint: `${issuer}mfa/challenge`,
    jwks_uri: `${issuer}.well-known/jwks.json`,
    registration_endpoint: `${issuer}oidc/register`,
    revocation_endpoint: `${issuer}oauth/revoke`,
    scopes_supported: ["openid", "profile", "offline_access", "name", "nickname", "email", "created_at", "identities"],
    response_types_supported: [
      "code",
      "token",
      "id_token",
      "code token",
      "code id_token",
      "token id_token",
      "code token id_token",
    ],
    code_challenge_methods_supported: ["S256", "plain"],
    response_modes_supported: ["query", "fragment", "form_post"],
    subject_types_supported: ["public"],
    id_token_signing_alg_values_supported: ["HS256", "RS256", "PS256"],
    token_endpoint_auth_methods_supported: ["client_secret_basic", "client_secret_post", "private_key_jwt"],
    token_endpoint_auth_signing_alg_values_supported: ["RS256", "RS384", "PS256"],
    claims_supported: [
      "aud",
      "auth_time",
      "created_at",
      "email",
      "exp",
      "iat",
      "identities",
      "iss",
      "name",
      "nickname",
      "sub",
    ],
    request_uri_parameter_supported: false,
    request_parameter_supported: false,
    backchannel_logout_supported: true,
    backchannel_logout_session_supported: true,
  }),
  // "ID token structure": `typ: JWT` in the header, `sid` for back-channel logout.
  idToken: ({ issuer, client, nonce, sid, now }) => ({
    header: { typ: "JWT" },
    payload: {
      "https://shop.example/customer_id": "1001",
      "https://shop.example/roles": ["sec-admins"],
      nickname: "alice",
      name: "alice@shop.example",
      updated_at: "2026-11-01T10:00:00.000Z",
      iss: issuer,
      aud: client,
      iat: now,
      exp: now + 36_000,
      sub: USER,
      sid,
      ...(nonce !== undefined && { nonce }),
    },
  }),
  // "Access token profiles", the default one: `typ: JWT`, the client in `azp`, the tenant's UserInfo as a second audience.
  accessToken: ({ issuer, client, audience, now }) => ({
    header: { typ: "JWT" },
    payload: {
      "https://shop.example/customer_id": "1001",
      iss: issuer,
      sub: USER,
      aud: [audience, `${issuer}userinfo`],
      iat: now,
      exp: now + 86_400,
      scope: "openid profile",
      azp: client,
    },
  }),
  expected: { sub: USER, claims: { customer: ["1001"] }, roles: ["admin"], hasSid: true, acr: null },
  signInAnswer: () => ({}),
  tokenAnswer: { scope: "openid profile" },
}

/** The same token in the dialect of RFC 9068: "Access token profiles". */
export function auth0Rfc9068({ issuer, client, audience, now }: About): Unsigned {
  return {
    header: { typ: "at+jwt" },
    payload: {
      "https://shop.example/customer_id": "1001",
      iss: issuer,
      sub: USER,
      aud: audience,
      iat: now,
      exp: now + 86_400,
      jti: "73WakrfVbNJBaAmhQtEeDv",
      scope: "orders",
      client_id: client,
    },
  }
}

/**
 * What an agent gets for the user's token: "On-Behalf-Of token exchange" and "Agent identity in tokens". The outermost actor is the agent
 * that a client was associated with, beneath it the client that the user signed in to; five levels at the most.
 */
export function auth0Delegated(about: About): Unsigned {
  const { header, payload } = auth0Rfc9068(about)
  const act = { sub: AGENT, sub_profile: "ai_agent", act: { sub: "K1AUPhZq8mRi0Q0pjhkfu1D7y6KjDQja" } }
  return { header, payload: { ...payload, sub_profile: "user", act } }
}

/** "Back-channel logout": the logout token. `trace_id` is Auth0's own. */
export function auth0Logout({ issuer, client, sid, now }: About): Unsigned {
  return {
    header: { typ: "logout+jwt" },
    payload: {
      iss: issuer,
      sub: USER,
      aud: client,
      iat: now,
      exp: now + 120,
      jti: crypto.randomUUID(),
      events: { "http://schemas.openid.net/event/backchannel-logout": {} },
      trace_id: "7a1fbb7c1a3dbb8f",
      sid,
    },
  }
}
