import type { About, Unsigned, Vendor } from "./vendor.fixture.ts"

const USER = "9f3d7a52-6c8f-4a0e-8a55-0b6a2f9c1001"

/**
 * A realm of Keycloak 26. keycloak.org, Server Administration Guide, "OIDC endpoints" and "Client settings": everything below
 * `/realms/{realm}/protocol/openid-connect`; answers carry `iss` and `session_state`; every token says in the claim `typ` what it is. The real one
 * is met in interop/; this fake is for what one cannot make it do.
 */
export const keycloak: Vendor = {
  profile: "keycloak",
  path: "/realms/shop",
  alg: "RS256",
  configuration: {
    scopes: ["openid", "profile"],
    claims: { customer: "customer_id" },
    roles: { claim: "realm_access.roles", values: { "sec-admins": ["admin"] } },
  },
  metadata(issuer) {
    const at = `${issuer}/protocol/openid-connect`
    return {
      issuer,
      authorization_endpoint: `${at}/auth`,
      token_endpoint: `${at}/token`,
      introspection_endpoint: `${at}/token/introspect`,
      userinfo_endpoint: `${at}/userinfo`,
      end_session_endpoint: `${at}/logout`,
      frontchannel_logout_session_supported: true,
      frontchannel_logout_supported: true,
      jwks_uri: `${at}/certs`,
      check_session_iframe: `${at}/login-status-iframe.html`,
      grant_types_supported: ["authorization_code", "implicit", "refresh_token", "urn:openid:params:grant-type:ciba"],
      acr_values_supported: ["0", "1"],
      response_types_supported: ["code", "none", "id_token", "token", "id_token token", "code id_token", "code token"],
      subject_types_supported: ["public", "pairwise"],
      id_token_signing_alg_values_supported: [
        "PS384",
        "RS384",
        "EdDSA",
        "ES384",
        "HS256",
        "HS512",
        "ES256",
        "RS256",
        "PS256",
      ],
      response_modes_supported: ["query", "fragment", "form_post", "query.jwt", "fragment.jwt", "form_post.jwt", "jwt"],
      registration_endpoint: `${issuer}/clients-registrations/openid-connect`,
      token_endpoint_auth_methods_supported: [
        "private_key_jwt",
        "client_secret_basic",
        "client_secret_post",
        "tls_client_auth",
        "client_secret_jwt",
      ],
      claims_supported: [
        "aud",
        "sub",
        "iss",
        "auth_time",
        "name",
        "given_name",
        "family_name",
        "preferred_username",
        "email",
        "acr",
      ],
      claims_parameter_supported: true,
      scopes_supported: ["openid", "profile", "email", "roles", "offline_access", "basic", "acr"],
      request_parameter_supported: true,
      request_uri_parameter_supported: true,
      require_request_uri_registration: true,
      code_challenge_methods_supported: ["plain", "S256"],
      tls_client_certificate_bound_access_tokens: true,
      revocation_endpoint: `${at}/revoke`,
      backchannel_logout_supported: true,
      backchannel_logout_session_supported: true,
      device_authorization_endpoint: `${at}/auth/device`,
      backchannel_token_delivery_modes_supported: ["poll", "ping"],
      backchannel_authentication_endpoint: `${at}/ext/ciba/auth`,
      require_pushed_authorization_requests: false,
      pushed_authorization_request_endpoint: `${at}/ext/par/request`,
      authorization_response_iss_parameter_supported: true,
    }
  },
  idToken: ({ issuer, client, nonce, sid, now }) => ({
    header: { typ: "JWT" },
    payload: {
      exp: now + 300,
      iat: now,
      auth_time: now - 10,
      jti: "8a4f4f0a-6f0c-4f57-b7a0-0f5d0c6f0a11",
      iss: issuer,
      aud: client,
      sub: USER,
      typ: "ID",
      azp: client,
      ...(nonce !== undefined && { nonce }),
      sid,
      at_hash: "WmZ4m3pXbH8y5f0o3tXk0w",
      acr: "1",
      preferred_username: "alice",
      customer_id: "1001",
      realm_access: { roles: ["offline_access", "sec-admins"] },
    },
  }),
  accessToken: ({ issuer, client, audience, sid, now }) => ({
    header: { typ: "JWT" },
    payload: {
      exp: now + 300,
      iat: now,
      auth_time: now - 10,
      jti: "onrtac:5e0f1a52-3b2f-4a9d-9f43-8f0e0a0b0c0d",
      iss: issuer,
      aud: [audience, "account"],
      sub: USER,
      typ: "Bearer",
      azp: client,
      sid,
      acr: "1",
      "allowed-origins": ["https://shop.example"],
      realm_access: { roles: ["offline_access", "sec-admins"] },
      scope: "openid profile",
      customer_id: "1001",
    },
  }),
  expected: { sub: USER, claims: { customer: ["1001"] }, roles: ["admin"], hasSid: true, acr: "1" },
  signInAnswer: (issuer) => ({ session_state: "8f7b1f0e-0b7a-4a3e-9b1b-8a0c2f0a1b2c", iss: issuer }),
  tokenAnswer: { refresh_expires_in: 1800, "not-before-policy": 0, session_state: "8f7b1f0e", scope: "openid profile" },
}

/** Its logout token: `typ: Logout` among the claims, and in `events` a member that is no event of the specification. */
export function keycloakLogout(
  { issuer, client, sid, now }: About,
  type: "logout+jwt" | "JWT" = "logout+jwt",
): Unsigned {
  return {
    header: { typ: type },
    payload: {
      iat: now,
      exp: now + 120,
      jti: crypto.randomUUID(),
      iss: issuer,
      aud: client,
      sub: USER,
      typ: "Logout",
      sid,
      events: { "http://schemas.openid.net/event/backchannel-logout": {}, revoke_offline_access: true },
    },
  }
}
