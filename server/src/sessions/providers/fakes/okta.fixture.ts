import type { About, Unsigned, Vendor } from "./vendor.fixture.ts"

const USER = "00u17pgcqyoyiNmdL698"

/**
 * A custom authorization server of Okta. developer.okta.com, "OpenID Connect & OAuth 2.0 API": endpoints lie below
 * `/oauth2/{server}/v1`, keys at `/v1/keys`, discovery names `response_modes_supported` with `okta_post_message` and neither
 * `authorization_response_iss_parameter_supported` nor back-channel logout; `/logout` takes `id_token_hint` always.
 */
export const okta: Vendor = {
  profile: "okta",
  path: "/oauth2/aus17ole72l3gv8RR698",
  alg: "RS256",
  // support.okta.com, "The audience claim for client_assertion must be the endpoint invoked for the request".
  assertionAudience: "endpoint",
  configuration: {
    scopes: ["openid", "profile"],
    claims: { customer: "customer_id" },
    roles: { claim: "groups", values: { "sec-admins": ["admin"] } },
    delegatedTokens: {
      agents: { wlp16vatepit: "support-bot" },
      mayActClaim: "may_act",
      scopes: {},
      detailsClaim: "authorization_details",
      sessionClaim: "sid",
    },
  },
  metadata: (issuer, at) => ({
    issuer,
    authorization_endpoint: `${issuer}/v1/authorize`,
    token_endpoint: `${issuer}/v1/token`,
    userinfo_endpoint: `${issuer}/v1/userinfo`,
    registration_endpoint: `${at}/oauth2/v1/clients`,
    jwks_uri: `${issuer}/v1/keys`,
    response_types_supported: [
      "code",
      "id_token",
      "code id_token",
      "code token",
      "id_token token",
      "code id_token token",
    ],
    response_modes_supported: ["query", "fragment", "form_post", "okta_post_message"],
    grant_types_supported: [
      "authorization_code",
      "implicit",
      "refresh_token",
      "password",
      "urn:openid:params:grant-type:ciba",
    ],
    subject_types_supported: ["public"],
    id_token_signing_alg_values_supported: ["RS256"],
    scopes_supported: ["openid", "profile", "email", "address", "phone", "offline_access", "device_sso"],
    token_endpoint_auth_methods_supported: [
      "client_secret_basic",
      "client_secret_post",
      "client_secret_jwt",
      "private_key_jwt",
      "none",
    ],
    claims_supported: [
      "iss",
      "ver",
      "sub",
      "aud",
      "iat",
      "exp",
      "jti",
      "auth_time",
      "amr",
      "idp",
      "nonce",
      "name",
      "at_hash",
    ],
    code_challenge_methods_supported: ["S256"],
    introspection_endpoint: `${issuer}/v1/introspect`,
    revocation_endpoint: `${issuer}/v1/revoke`,
    end_session_endpoint: `${issuer}/v1/logout`,
    request_parameter_supported: true,
    request_object_signing_alg_values_supported: ["HS256", "RS256", "ES256"],
    device_authorization_endpoint: `${issuer}/v1/device/authorize`,
    pushed_authorization_request_endpoint: `${issuer}/v1/par`,
    backchannel_token_delivery_modes_supported: ["poll"],
    dpop_signing_alg_values_supported: ["RS256", "ES256"],
  }),
  // Same page, "ID token": header of `alg` and `kid` alone; `sub` is the user's id, which never changes.
  idToken: ({ issuer, client, nonce, now }) => ({
    header: {},
    payload: {
      sub: USER,
      name: "Alice",
      ver: 1,
      iss: issuer,
      aud: client,
      iat: now,
      exp: now + 3600,
      jti: "ID.YG2drwOZJSa3t_BHUK7QWwnKoCBT25tCP9N7J0Bmv9I",
      amr: ["mfa", "otp", "pwd", "okta_verify"],
      idp: "00o17ln5mf35oxO9l698",
      ...(nonce !== undefined && { nonce }),
      preferred_username: "alice@shop.example",
      auth_time: now - 10,
      at_hash: "Nz6OvHd-1tB_wrPMsi_yPQ",
      // "Customize tokens returned from Okta": claims of one's own, here of the directory.
      customer_id: 1001,
      groups: ["customers", "sec-admins"],
    },
  }),
  /**
   * Same page, "Access token": no `typ` in the header; `sub` is the *name* that the user signs in by, which may change and be
   * given to another; `uid` is the user's id; the client is `cid`; scopes are the list `scp`.
   */
  accessToken: ({ issuer, client, audience, now }) => ({
    header: {},
    payload: {
      ver: 1,
      jti: "AT.NfpakOho7WGPzZfUrij0bAoH103-qLhrr8TBTaR_Y",
      iss: issuer,
      aud: audience,
      iat: now,
      exp: now + 3600,
      cid: client,
      uid: USER,
      scp: ["openid", "profile"],
      auth_time: now - 10,
      sub: "alice@shop.example",
      customer_id: 1001,
    },
  }),
  expected: { sub: USER, claims: { customer: ["1001"] }, roles: ["admin"], hasSid: false, acr: null },
  signInAnswer: () => ({}),
  tokenAnswer: { scope: "openid profile" },
}

/**
 * What the org authorization server hands an agent for another authorization server: "Set up AI agent token exchange". The
 * subject is the user's id, the actor the agent's (`wlp…`); exchanged from an access token, the agent's application is nested beneath.
 */
export function oktaIdJag({ issuer, client, audience, now }: About): Unsigned {
  return {
    header: { typ: "oauth-id-jag+jwt" },
    payload: {
      iss: issuer,
      aud: audience,
      sub: USER,
      sub_profile: "user",
      email: "alice@shop.example",
      client_id: client,
      scope: "orders.read",
      jti: `IDJAG.${crypto.randomUUID()}`,
      act: {
        sub: "wlp16vatepit",
        sub_profile: "ai_agent web_app",
        act: { sub: "0oa9aw62CPUnXomeU9c5", sub_profile: "service" },
      },
      iat: now,
      exp: now + 300,
    },
  }
}

/**
 * What a custom authorization server hands the agent for its ID-JAG: same guide, "Exchange ID-JAG for access token". Scopes are a
 * text here, and neither the header nor a claim tells it from an ID token.
 */
export function oktaAgentToken({ issuer, audience, now }: About): Unsigned {
  const act = { sub: "wlp16vatepit", sub_profile: "ai_agent" }
  return {
    header: {},
    payload: {
      iss: issuer,
      sub: USER,
      aud: audience,
      iat: now,
      exp: now + 3600,
      scope: "orders.read",
      sub_profile: "user",
      act,
    },
  }
}

/** "Access token" of the org authorization server: meant for Okta alone, and marked by a type of its own. */
export function oktaOrgToken(about: About): Unsigned {
  return { header: { typ: "application/okta-internal-at+jwt" }, payload: okta.accessToken!(about).payload }
}
