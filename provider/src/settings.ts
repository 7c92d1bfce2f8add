import { randomBytes } from "node:crypto"
import { type Configuration, errors, type JWK } from "oidc-provider"
import { type Client, metadataOf } from "./client.ts"
import { fetchHere } from "./loopback.ts"
import type { Memory } from "./memory.ts"
import { errorPage, signedOutPage, signOutPage } from "./pages.ts"
import type { Person } from "./people.ts"
import { implicitGrant, pathOfSignIn } from "./sign-in.ts"

/** What the settings are made of. */
export type Ground = {
  port: number
  clients: readonly Client[]
  people: readonly Person[]
  /** Private keys, the first of which signs. */
  keys: JWK[]
  memory: Memory
}

const KEPT_SECONDS = 8 * 60 * 60
const TOKEN_SECONDS = 5 * 60
const REQUEST_SECONDS = 60

/** oidc-provider, held to what a good provider does: code with PKCE, no refresh tokens, one algorithm, strict assertions. */
export function settingsFor({ port, clients, people, keys, memory }: Ground): Configuration {
  const audiences = new Map(clients.map(({ clientId, audience }) => [clientId, audience]))
  const custom = new Set(people.flatMap(({ claims }) => Object.keys(claims)))
  const mail = ["email", "email_verified"]
  return {
    adapter: memory.adapterOf,
    clients: clients.map(metadataOf),
    clientDefaults: {
      grant_types: ["authorization_code"],
      response_types: ["code"],
      id_token_signed_response_alg: "ES256",
      require_auth_time: true,
    },
    jwks: { keys },
    enabledJWA: { idTokenSigningAlgValues: ["ES256"], clientAuthSigningAlgValues: ["ES256", "Ed25519", "EdDSA"] },
    clientAuthMethods: ["private_key_jwt", "client_secret_post", "client_secret_basic", "none"],
    // rfc7523bis: an assertion for several audiences could be carried on by each of them.
    assertJwtClientAuthClaimsAndHeader(ctx, claims) {
      if (claims["aud"] !== ctx.oidc.issuer) throw new errors.InvalidClientAuth("aud must be the issuer, and alone")
    },
    responseTypes: ["code"],
    pkce: { required: () => true },
    scopes: ["openid", "profile", "email"],
    claims: {
      openid: ["sub", ...[...custom].filter((claim) => !mail.includes(claim))],
      profile: ["name"],
      email: mail,
      acr: null,
      auth_time: null,
      iss: null,
      sid: null,
    },
    // As most providers have it: what is asked for stands in the ID token, not at the userinfo endpoint alone.
    conformIdTokenClaims: false,
    findAccount: (_, sub) => {
      const person = people.find((each) => each.sub === sub)
      return person && { accountId: sub, claims: () => ({ ...person.claims, sub, name: person.name }) }
    },
    loadExistingGrant: (ctx) => implicitGrant(ctx, audiences.get(ctx.oidc.client!.clientId)),
    interactions: { url: (_, { uid }) => pathOfSignIn(uid) },
    features: {
      devInteractions: { enabled: false },
      dPoP: { enabled: false },
      backchannelLogout: { enabled: true },
      introspection: { enabled: true, allowedPolicy: (_, { clientAuthMethod }) => clientAuthMethod !== "none" },
      revocation: { enabled: true, allowedPolicy: (_, client, token) => token.clientId === client.clientId },
      rpInitiatedLogout: { enabled: true, logoutSource: signOutPage, postLogoutSuccessSource: signedOutPage },
      resourceIndicators: {
        enabled: true,
        defaultResource: (_, client, oneOf) => oneOf?.[0] ?? audiences.get(client.clientId) ?? [],
        useGrantedResource: () => true,
        getResourceServerInfo(_, audience, client) {
          if (audiences.get(client.clientId) !== audience) throw new errors.InvalidTarget()
          return { scope: "", audience, accessTokenFormat: "jwt", jwt: { sign: { alg: "ES256" } } }
        },
      },
    },
    // Cookies know no ports: every provider and server of this machine gets the cookies of all of them.
    cookies: {
      names: {
        session: `provider-${port}`,
        interaction: `provider-${port}-sign-in`,
        resume: `provider-${port}-resume`,
      },
      keys: [randomBytes(32).toString("base64url")],
      long: { httpOnly: true, sameSite: "lax" },
      short: { httpOnly: true, sameSite: "lax" },
    },
    ttl: {
      AccessToken: TOKEN_SECONDS,
      IdToken: TOKEN_SECONDS,
      AuthorizationCode: REQUEST_SECONDS,
      Interaction: KEPT_SECONDS,
      Session: KEPT_SECONDS,
      Grant: KEPT_SECONDS,
    },
    clientBasedCORS: () => false,
    renderError: errorPage,
    fetch: fetchHere,
  }
}
