import type { ClientMetadata, JWK } from "oidc-provider"

/** A relying party: what it is called, where people are sent back to, how it proves itself. */
export type Client = {
  clientId: string
  /** What the sign-in page calls it; its id unless told. */
  name?: string
  /** Compared as exact strings. */
  redirectUris: readonly string[]
  postLogoutRedirectUris?: readonly string[]
  /** Is told when a sign-in ends (OpenID Connect Back-Channel Logout 1.0); on this machine. */
  backchannelLogoutUri?: string
  authentication: ClientAuthentication
  /** Its access tokens are JWTs for this resource (RFC 9068); without, they are opaque, and for the userinfo endpoint. */
  audience?: string
}

/** How a client proves itself at the token endpoint; by nothing if it is a public one. */
export type ClientAuthentication =
  | { method: "private_key_jwt"; jwks: { keys: readonly JWK[] } }
  /** Its public keys are fetched from there, on this machine. */
  | { method: "private_key_jwt"; jwksUri: string }
  | { method: "client_secret_post" | "client_secret_basic"; secret: string }
  | { method: "none" }

/** The client as oidc-provider is told of it. */
export function metadataOf(client: Client): ClientMetadata {
  const { authentication } = client
  return {
    client_id: client.clientId,
    client_name: client.name ?? client.clientId,
    redirect_uris: [...client.redirectUris],
    post_logout_redirect_uris: [...(client.postLogoutRedirectUris ?? [])],
    token_endpoint_auth_method: authentication.method,
    ...("jwks" in authentication && { jwks: { keys: [...authentication.jwks.keys] } }),
    ...("jwksUri" in authentication && { jwks_uri: authentication.jwksUri }),
    ...("secret" in authentication && { client_secret: authentication.secret }),
    ...(client.backchannelLogoutUri !== undefined && {
      backchannel_logout_uri: client.backchannelLogoutUri,
      backchannel_logout_session_required: true,
    }),
  }
}
