/** Signature algorithms of tokens that we take (RFC 7518 §3.1, RFC 8037, RFC 9864): never `none`, never one with a shared secret. */
export const algorithms = ["RS256", "PS256", "ES256", "ES384", "EdDSA", "Ed25519"] as const

/** One of them. */
export type Algorithm = (typeof algorithms)[number]

/** What a maker of providers does that discovery does not tell. Everything else is discovered. */
export type Profile = {
  /** What its tokens are signed with unless the configuration says otherwise. */
  algorithms: readonly Algorithm[]
  /** The claim of an ID token that says who the user is, and the one of an access token that says the same. */
  subject: "sub" | "oid"
  accessSubject: "sub" | "oid" | "uid"
  /** True when `iss` of an ID token may be the issuer without its scheme. */
  hasBareIssuer: boolean
  /**
   * What `aud` of our assertions is, where we prove by our key who we are: the issuer, or the endpoint that is asked. Null where
   * our key, which signs ES256 and is published as a JWK Set, cannot be the client's.
   */
  assertionAudience: "issuer" | "endpoint" | null
  /** The form that an issuer has; any unless told. */
  issuer?: { form: RegExp; what: string }
  /** How an access token is judged: by its signature, by asking the provider (RFC 7662), or not at all. */
  accessTokens: "jwt" | "introspection" | "none"
  /**
   * What tells an access token from an ID token where its header does not say `at+jwt` (RFC 9068 §2.1): the `typ` that it has
   * then, and claims that it has and an ID token never has, with their value where only one will do. Null: `at+jwt` alone.
   */
  untyped: { types: readonly (string | undefined)[]; claims: { [name: string]: string | null } } | null
  /** What an ID token says of itself, where it does. */
  idTokenClaims: { [name: string]: string }
  /** Claims of an access token that name the client it was issued to. */
  clientClaims: readonly string[]
  /** Where a browser is sent to end the session there when discovery names no place: a path, and how it calls the way back. */
  logout: { path: string; redirectParameter: string } | null
  /** True when ending a session there takes the ID token; without it there is no URL. */
  needsIdTokenToLogOut: boolean
}

/** OpenID Connect Core, RFC 9068, RP-Initiated Logout and Back-Channel Logout as written. */
const generic: Profile = {
  algorithms: ["RS256", "PS256", "ES256", "EdDSA", "Ed25519"],
  subject: "sub",
  accessSubject: "sub",
  hasBareIssuer: false,
  // draft-ietf-oauth-rfc7523bis: one text that no other server can be called by.
  assertionAudience: "issuer",
  accessTokens: "jwt",
  untyped: null,
  idTokenClaims: {},
  clientClaims: ["client_id", "azp"],
  logout: null,
  needsIdTokenToLogOut: false,
}

const GUID = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"

/** The profiles that are shipped, each with the quirks that its maker documents. */
export const profiles = {
  generic,

  /**
   * developer.okta.com, "Access token" and "OpenID Connect & OAuth 2.0": access tokens of a custom authorization server have no
   * `typ`; the client is `cid`, scopes are the list `scp`, and `sub` is what the user signs in with, often an e-mail address, while
   * `uid` is what an ID token has as `sub`. Those of the org authorization server are for Okta alone and are marked by a `typ`
   * of their own, which is refused here. `/logout` requires `id_token_hint`. support.okta.com: "The audience claim for
   * client_assertion must be the endpoint invoked for the request".
   */
  okta: {
    ...generic,
    algorithms: ["RS256"],
    accessSubject: "uid",
    assertionAudience: "endpoint",
    untyped: { types: [undefined], claims: { cid: null, scp: null } },
    clientClaims: ["cid"],
    needsIdTokenToLogOut: true,
  },

  /**
   * ibm.com/docs, "OpenID Connect" of IBM Verify: the issuer is `https://<tenant>/oauth2` (older applications:
   * `/oidc/endpoint/default`); access tokens are opaque unless the application is set to JWT. docs.verify.ibm.com, "Token
   * exchange" and "Actor criteria": delegated tokens carry `act`, subject tokens may carry `may_act` (RFC 8693 §4.1, §4.4). "Create
   * the client secret JWT and private key JWT": assertions are signed RS, HS or PS.
   */
  "ibm-verify": { ...generic, algorithms: ["RS256", "PS256", "ES256"], assertionAudience: null },

  /**
   * auth0.com/docs, "Access token profiles": the default dialect has `typ: JWT` and names the client in `azp`; the dialect of
   * RFC 9068 has `at+jwt` and `client_id`. Both carry `scope`, which an ID token cannot. "On-Behalf-Of": the outermost
   * `act.sub` is the acting client's id. "Log users out": where the tenant does not publish an end-session endpoint, `/v2/logout`
   * with `returnTo`. Issuers end in a slash. Management API, "Client credentials": RS256, RS384 or PS256.
   */
  auth0: {
    ...generic,
    algorithms: ["RS256", "PS256"],
    assertionAudience: null,
    issuer: { form: /\/$/, what: "an issuer of Auth0 ends in a slash" },
    untyped: { types: ["JWT"], claims: { azp: null, scope: null } },
    logout: { path: "v2/logout", redirectParameter: "returnTo" },
  },

  /**
   * keycloak.org, Server Administration Guide, "OIDC clients": the header says `typ: JWT` for every token unless the client is
   * set to `at+jwt`; the claim `typ` tells Bearer (access), ID and Logout apart. The client is `azp`. Logout tokens of versions
   * before 26 have `typ: JWT` (keycloak issue 28939).
   */
  keycloak: {
    ...generic,
    algorithms: ["RS256", "PS256", "ES256", "ES384", "EdDSA"],
    untyped: { types: ["JWT"], claims: { typ: "Bearer" } },
    idTokenClaims: { typ: "ID" },
  },

  /**
   * developers.google.com, "OpenID Connect": `iss` is `https://accounts.google.com` or `accounts.google.com`; `azp` is the
   * client that asked, `aud` the one that it asked for; access tokens are opaque and there is no introspection (RFC 7662), no end-session endpoint,
   * no back-channel logout. Users are known by `sub`. Clients have a secret and nothing else.
   */
  google: { ...generic, algorithms: ["RS256"], hasBareIssuer: true, assertionAudience: null, accessTokens: "none" },

  /**
   * learn.microsoft.com, "ID token claims" and "Access token claims": one issuer for each tenant; `sub` differs from application
   * to application, and `oid` with the tenant names the person in all of them; access tokens have `typ: JWT`, for a user `scp`, and name the client in `azp`
   * (`appid` in version 1.0, whose issuer is another one). On-behalf-of leaves no `act`. "Certificate credentials": assertions are
   * signed PS256 by the key of a certificate that was uploaded.
   */
  entra: {
    ...generic,
    algorithms: ["RS256"],
    subject: "oid",
    accessSubject: "oid",
    assertionAudience: null,
    issuer: {
      form: new RegExp(`/${GUID}/v2\\.0$`),
      what: "an issuer of Entra names one tenant: https://login.microsoftonline.com/<tenant id>/v2.0",
    },
    untyped: { types: ["JWT"], claims: { scp: null, ver: "2.0" } },
    clientClaims: ["azp"],
  },

  /**
   * developer.pingidentity.com, "Token claims" of PingOne: RS256; access tokens have `typ: at+jwt` always from March 2027, before
   * that optionally; the client is `client_id`. "Create a private key JWT": `aud` may be the issuer. PingFederate's `/idp/init_logout.openid` takes `client_id` or `id_token_hint`.
   */
  ping: {
    ...generic,
    algorithms: ["RS256", "PS256", "ES256"],
    untyped: { types: [undefined, "JWT"], claims: { client_id: null, scope: null } },
    clientClaims: ["client_id"],
  },
} as const satisfies Record<string, Profile>

/** Name of a profile. */
export type ProfileName = keyof typeof profiles

/** The profile of that name. */
export function profileOf(name: ProfileName): Profile {
  return profiles[name]
}
