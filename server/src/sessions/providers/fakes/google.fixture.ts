import type { Vendor } from "./vendor.fixture.ts"

/**
 * Google. Its discovery is public and on record: endpoints on several hosts (here: several paths), no introspection, no
 * end-session endpoint, secrets only. developers.google.com, "OpenID Connect", "An ID token's payload": `iss` is the issuer or the
 * issuer without its scheme, `azp` the client that asked; `hd` is the organization's domain; claims of one's own there are none.
 */
export const google: Vendor = {
  profile: "google",
  path: "",
  alg: "RS256",
  configuration: {
    clientAuthentication: "client_secret_post",
    scopes: ["openid", "email", "profile"],
    claims: { organization: "hd" },
  },
  metadata: (issuer, at) => ({
    issuer,
    authorization_endpoint: `${at}/o/oauth2/v2/auth`,
    device_authorization_endpoint: `${at}/device/code`,
    token_endpoint: `${at}/token`,
    userinfo_endpoint: `${at}/v1/userinfo`,
    revocation_endpoint: `${at}/revoke`,
    jwks_uri: `${at}/oauth2/v3/certs`,
    response_types_supported: ["code", "token", "id_token", "code token", "code id_token", "token id_token", "none"],
    subject_types_supported: ["public"],
    id_token_signing_alg_values_supported: ["RS256"],
    scopes_supported: ["openid", "email", "profile"],
    token_endpoint_auth_methods_supported: ["client_secret_post", "client_secret_basic"],
    claims_supported: [
      "aud",
      "email",
      "email_verified",
      "exp",
      "family_name",
      "given_name",
      "iat",
      "iss",
      "name",
      "picture",
      "sub",
    ],
    code_challenge_methods_supported: ["plain", "S256"],
    grant_types_supported: ["authorization_code", "refresh_token", "urn:ietf:params:oauth:grant-type:jwt-bearer"],
  }),
  idToken: ({ issuer, client, nonce, now }) => ({
    header: { typ: "JWT" },
    payload: {
      iss: issuer,
      azp: client,
      aud: client,
      sub: "10769150350006150715113082367",
      at_hash: "HK6E_P6Dh8Y93mRNtsDB1Q",
      hd: "shop.example",
      email: "alice@shop.example",
      email_verified: true,
      iat: now,
      exp: now + 3600,
      ...(nonce !== undefined && { nonce }),
    },
  }),
  accessToken: null,
  expected: {
    sub: "10769150350006150715113082367",
    claims: { organization: ["shop.example"] },
    roles: [],
    hasSid: false,
    acr: null,
  },
  // "Exchange code": beside the code, the scopes and who is asked next time.
  signInAnswer: () => ({ scope: "openid email profile", authuser: "0", hd: "shop.example", prompt: "consent" }),
  tokenAnswer: { scope: "openid email profile" },
}
