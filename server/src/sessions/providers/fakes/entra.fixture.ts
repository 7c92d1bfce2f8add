import type { About, Unsigned, Vendor } from "./vendor.fixture.ts"

const TENANT = "88888888-8888-4888-8888-888888888888"
const USER = "7f21c7f2-1c0a-4f35-9f0e-2c1d5bd1a001"

/**
 * One tenant of Microsoft Entra, version 2.0. Its discovery as Microsoft's own SDKs have it on record: endpoints beside the issuer and not below
 * it, UserInfo at another host, `subject_types_supported: pairwise`, no `code_challenge_methods_supported`, no back-channel logout.
 * learn.microsoft.com, "Certificate credentials": a client's assertion is by a certificate (PS256, `x5t#S256`) and for the token
 * endpoint, which ours never is: so our client has a secret there.
 */
export const entra: Vendor = {
  profile: "entra",
  path: `/${TENANT}/v2.0`,
  alg: "RS256",
  configuration: {
    clientAuthentication: "client_secret_post",
    scopes: ["openid", "profile"],
    claims: { customer: "extn.customerId" },
    roles: { claim: "roles", values: { SecAdmins: ["admin"] } },
  },
  metadata: (issuer, at) => ({
    token_endpoint: `${at}/${TENANT}/oauth2/v2.0/token`,
    token_endpoint_auth_methods_supported: ["client_secret_post", "private_key_jwt", "client_secret_basic"],
    jwks_uri: `${at}/${TENANT}/discovery/v2.0/keys`,
    response_modes_supported: ["query", "fragment", "form_post"],
    subject_types_supported: ["pairwise"],
    id_token_signing_alg_values_supported: ["RS256"],
    response_types_supported: ["code", "id_token", "code id_token", "id_token token"],
    scopes_supported: ["openid", "profile", "email", "offline_access"],
    issuer,
    request_uri_parameter_supported: false,
    userinfo_endpoint: `${at}/oidc/userinfo`,
    authorization_endpoint: `${at}/${TENANT}/oauth2/v2.0/authorize`,
    device_authorization_endpoint: `${at}/${TENANT}/oauth2/v2.0/devicecode`,
    http_logout_supported: true,
    frontchannel_logout_supported: true,
    end_session_endpoint: `${at}/${TENANT}/oauth2/v2.0/logout`,
    claims_supported: [
      "sub",
      "iss",
      "cloud_instance_name",
      "aud",
      "exp",
      "iat",
      "acr",
      "nonce",
      "preferred_username",
      "name",
      "tid",
      "ver",
    ],
    kerberos_endpoint: `${at}/${TENANT}/kerberos`,
    tenant_region_scope: "WW",
    cloud_instance_name: "microsoftonline.com",
    cloud_graph_host_name: "graph.windows.net",
    msgraph_host: "graph.microsoft.com",
    rbac_url: "https://pas.windows.net",
  }),
  // "ID token claims reference": `sub` differs from application to application, `oid` is the person in all of the tenant.
  idToken: ({ issuer, client, nonce, sid, now }) => ({
    header: { typ: "JWT" },
    payload: {
      aud: client,
      iss: issuer,
      iat: now,
      nbf: now,
      exp: now + 3900,
      aio: "AXQAi/8TAAAA",
      name: "Alice",
      ...(nonce !== undefined && { nonce }),
      oid: USER,
      preferred_username: "alice@shop.example",
      rh: "0.AXkA",
      roles: ["SecAdmins"],
      sid,
      sub: `pairwise-for-${client}`,
      tid: TENANT,
      uti: "fqiBqXLPj0eQa82S-IYFAA",
      ver: "2.0",
      "extn.customerId": ["1001"],
    },
  }),
  // "Access token claims reference": `typ` is always JWT, `aud` the API's id, `azp` the client, `scp` for users' tokens only.
  accessToken: ({ issuer, client, audience, now }) => ({
    header: { typ: "JWT" },
    payload: {
      aud: audience,
      iss: issuer,
      iat: now,
      nbf: now,
      exp: now + 4200,
      aio: "ATQAy/8TAAAA",
      azp: client,
      azpacr: "1",
      name: "Alice",
      oid: USER,
      rh: "0.AXkA",
      scp: "Orders.Read",
      sub: "pairwise-for-the-api",
      tid: TENANT,
      uti: "UQ4Rfs9tH0KqA",
      ver: "2.0",
      "extn.customerId": ["1001"],
    },
  }),
  expected: { sub: USER, claims: { customer: ["1001"] }, roles: ["admin"], hasSid: true, acr: null },
  signInAnswer: () => ({ session_state: "64c31e75-ae0d-4aa2-a1b0-5c3cfa47c9f7" }),
  tokenAnswer: { scope: "openid profile", ext_expires_in: 3600 },
}

/** "Access token claims reference": without a user there is no `scp`, and `sub` and `oid` are the application's. */
export function entraAppToken(about: About): Unsigned {
  const { header, payload } = entra.accessToken!(about)
  const { scp: _, name: _name, ...rest } = payload as { [claim: string]: unknown }
  return { header, payload: { ...rest, idtyp: "app", roles: ["Orders.Read.All"], sub: USER } }
}

/** The same, version 1.0: another issuer, the client in `appid`. */
export function entraV1Token(about: About): Unsigned {
  const { header, payload } = entra.accessToken!(about)
  const { azp, ...rest } = payload as { [claim: string]: unknown }
  return { header, payload: { ...rest, iss: `https://sts.windows.net/${TENANT}/`, appid: azp, ver: "1.0" } }
}
