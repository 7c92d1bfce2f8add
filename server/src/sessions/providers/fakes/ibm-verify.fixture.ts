import type { About, Unsigned, Vendor } from "./vendor.fixture.ts"

const USER = "6040004OML"

/**
 * IBM Verify (SaaS). Its discovery as its own mobile SDK has it on record (ibm-verify-sdk-android, OAuthProviderTest): everything below
 * `/oauth2`, no `code_challenge_methods_supported`, no `end_session_endpoint`, `none` among the algorithms of ID tokens.
 */
export const ibmVerify: Vendor = {
  profile: "ibm-verify",
  path: "/oauth2",
  alg: "RS256",
  configuration: {
    clientAuthentication: "client_secret_basic",
    scopes: ["openid", "profile"],
    claims: { customer: "customer_id", tenant: "ext.tenantId" },
    roles: { claim: "groupIds", values: { "sec-admins": ["admin"] } },
    accessTokens: "introspection",
    delegatedTokens: {
      agents: { "2820b48c-bb13-4244-94d6-424f1390ef88": "support-bot" },
      mayActClaim: "may_act",
      scopes: {},
      detailsClaim: "authorization_details",
      sessionClaim: "sid",
    },
  },
  metadata: (issuer) => ({
    request_parameter_supported: true,
    introspection_endpoint: `${issuer}/introspect`,
    claims_parameter_supported: true,
    scopes_supported: ["openid", "profile", "email", "phone"],
    issuer,
    id_token_encryption_enc_values_supported: ["none", "A128GCM", "A192GCM", "A256GCM"],
    authorization_endpoint: `${issuer}/authorize`,
    device_authorization_endpoint: `${issuer}/device_authorization`,
    userinfo_signing_alg_values_supported: ["none"],
    claims_supported: [
      "realmName",
      "preferred_username",
      "given_name",
      "uid",
      "upn",
      "groupIds",
      "tenantId",
      "email",
      "iss",
    ],
    claim_types_supported: ["normal"],
    token_endpoint_auth_methods_supported: [
      "client_secret_basic",
      "client_secret_post",
      "client_secret_jwt",
      "private_key_jwt",
    ],
    response_modes_supported: ["query", "fragment", "form_post"],
    token_endpoint: `${issuer}/token`,
    response_types_supported: ["code", "none", "token", "id_token", "token id_token", "code id_token", "code token"],
    user_authorization_endpoint: `${issuer}/user_authorization`,
    request_uri_parameter_supported: false,
    grant_types_supported: [
      "authorization_code",
      "client_credentials",
      "urn:ietf:params:oauth:grant-type:jwt-bearer",
      "policyauth",
    ],
    revocation_endpoint: `${issuer}/revoke`,
    userinfo_endpoint: `${issuer}/userinfo`,
    id_token_encryption_alg_values_supported: ["none", "RSA-OAEP", "RSA-OAEP-256"],
    jwks_uri: `${issuer}/jwks`,
    subject_types_supported: ["public"],
    id_token_signing_alg_values_supported: ["none", "HS256", "RS256", "PS256", "ES256", "ES512"],
    registration_endpoint: `${issuer}/client_registration`,
    request_object_signing_alg_values_supported: ["none"],
  }),
  // ibm.com/docs, "OpenID Connect tokens" of IBM Verify: realmName, uniqueSecurityName, userType, the tenant in `ext`.
  idToken: ({ issuer, client, nonce, sid, now }) => ({
    header: {},
    payload: {
      at_hash: "SivVIXwh1lUxzFHqPAMxJQ",
      ext: { tenantId: "shop.verify.example" },
      sub: USER,
      realmName: "cloudIdentityRealm",
      amr: ["emailotp", "password"],
      uniqueSecurityName: USER,
      iss: issuer,
      preferred_username: "alice",
      userType: "regular",
      aud: client,
      acr: "urn:ibm:security:policy:id:331844",
      ...(nonce !== undefined && { nonce }),
      auth_time: now - 10,
      sid,
      iat: now,
      exp: now + 7200,
      groupIds: ["customers", "sec-admins"],
      customer_id: "1001",
    },
  }),
  accessToken: null,
  expected: {
    sub: USER,
    claims: { customer: ["1001"], tenant: ["shop.verify.example"] },
    roles: ["admin"],
    hasSid: true,
    acr: "urn:ibm:security:policy:id:331844",
  },
  signInAnswer: () => ({}),
  tokenAnswer: { grant_id: "3cd86861-9e2e-4741-b828-0910beb2f5c9", scope: "openid profile" },
}

/** ibm.com/docs, "Introspect": what is said of an opaque access token that is active. */
export function ibmIntrospection({ issuer, client, now }: About): { [member: string]: unknown } {
  return {
    active: true,
    sub: USER,
    realmName: "cloudIdentityRealm",
    uniqueSecurityName: USER,
    iss: issuer,
    token_type: "Bearer",
    client_id: client,
    aud: client,
    grant_type: "authorization_code",
    scope: "openid profile",
    grant_id: "393168ec-eb53-46b8-9957-64158719f075",
    userType: "regular",
    category: "application",
    customer_id: "1001",
    exp: now + 7200,
  }
}

/**
 * What token exchange gives an agent: docs.verify.ibm.com, "Token exchange" (delegation), and ibm.com/docs, "Actor criteria": the actor is
 * in `act`; details by RFC 9396 are shown in IBM's own demonstrations. Nothing documents the header's `typ`: RFC 9068's is taken.
 */
export function ibmDelegated({ issuer, audience, sid, now }: About): Unsigned {
  return {
    header: { typ: "at+jwt" },
    payload: {
      iss: issuer,
      aud: audience,
      sub: USER,
      realmName: "cloudIdentityRealm",
      client_id: "2820b48c-bb13-4244-94d6-424f1390ef88",
      act: { sub: "2820b48c-bb13-4244-94d6-424f1390ef88" },
      grant_type: "urn:ietf:params:oauth:grant-type:token-exchange",
      sid,
      scope: "orders",
      authorization_details: [{ type: "safeconduct_action", actions: ["sql:read"], locations: ["orders"] }],
      iat: now,
      exp: now + 300,
    },
  }
}
