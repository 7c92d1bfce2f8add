/** What is at both listeners, and so has an alias where certificates are asked for (RFC 8705 §5). */
const endpoints = {
  token_endpoint: "/oauth2/token",
  pushed_authorization_request_endpoint: "/oauth2/par",
  introspection_endpoint: "/oauth2/introspect",
  revocation_endpoint: "/oauth2/revoke",
  backchannel_authentication_endpoint: "/oauth2/bc-authorize",
} as const

/** Agents by their key or their certificate; applications by theirs. */
const ofAgents = { methods: ["private_key_jwt", "tls_client_auth"], algorithms: ["ES256"] } as const
const ofApplications = { methods: ["private_key_jwt"], algorithms: ["ES256", "EdDSA", "Ed25519"] } as const

/**
 * Authorization server metadata (RFC 8414 §2), with what OpenID Connect Discovery §3 and CIBA Core §4 add. The endpoints themselves take assertions with DPoP proofs; their aliases under
 * `mtlsUrl`, the public URL of the listener that asks for certificates, take those (RFC 8705 §5).
 */
export function metadata(issuer: string, mtlsUrl: string): Record<string, unknown> {
  const under = (base: string, path: string) => base.replace(/\/$/, "") + path
  const at = (base: string) =>
    Object.fromEntries(Object.entries(endpoints).map(([name, path]) => [name, under(base, path)]))
  return {
    issuer,
    ...at(issuer),
    authorization_endpoint: under(issuer, "/oauth2/authorize"),
    jwks_uri: under(issuer, "/.well-known/jwks.json"),
    response_types_supported: ["code"],
    response_modes_supported: ["query"],
    grant_types_supported: [
      "authorization_code",
      "client_credentials",
      "urn:ietf:params:oauth:grant-type:token-exchange",
      "urn:ietf:params:oauth:grant-type:jwt-bearer",
      "urn:openid:params:grant-type:ciba",
    ],
    // CIBA Core §4. A code that the user knows is none of ours: what they approve, they approve signed in.
    backchannel_token_delivery_modes_supported: ["poll", "ping"],
    backchannel_authentication_request_signing_alg_values_supported: ofAgents.algorithms,
    backchannel_user_code_parameter_supported: false,
    // OpenID Connect Discovery §3: of the ID tokens of an approval, the only ones that there are.
    scopes_supported: ["openid"],
    subject_types_supported: ["pairwise"],
    id_token_signing_alg_values_supported: ["ES256"],
    claims_supported: ["iss", "sub", "aud", "iat", "exp", "auth_time"],
    // draft-ietf-oauth-identity-assertion-authz-grant §7: no other assertion is a grant here.
    authorization_grant_profiles_supported: ["urn:ietf:params:oauth:grant-profile:id-jag"],
    // RFC 7636 by RFC 8414 §2; RFC 9207 §3
    code_challenge_methods_supported: ["S256"],
    authorization_response_iss_parameter_supported: true,
    token_endpoint_auth_methods_supported: ofAgents.methods,
    token_endpoint_auth_signing_alg_values_supported: ofAgents.algorithms,
    introspection_endpoint_auth_methods_supported: ofApplications.methods,
    introspection_endpoint_auth_signing_alg_values_supported: ofApplications.algorithms,
    revocation_endpoint_auth_methods_supported: ofAgents.methods,
    revocation_endpoint_auth_signing_alg_values_supported: ofAgents.algorithms,
    // RFC 9449 §5.1
    dpop_signing_alg_values_supported: ["ES256"],
    // RFC 8705 §3.3, §5
    tls_client_certificate_bound_access_tokens: true,
    mtls_endpoint_aliases: at(mtlsUrl),
    // RFC 9396 §10
    authorization_details_types_supported: ["safeconduct_action", "safeconduct_one_action"],
  }
}
