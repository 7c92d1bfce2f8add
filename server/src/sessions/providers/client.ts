import type { KeyObject } from "node:crypto"
import * as oidc from "openid-client"
import type { Clock, Secret } from "#kernel"
import { Unreachable } from "./fetch.ts"
import type { Metadata } from "./metadata.ts"
import type { Provider } from "./provider.ts"
import { SKEW_SECONDS } from "./token.ts"

/** What we speak to providers with. */
export type ClientParts = {
  clock: Clock
  /** The key that proves who we are at providers of private_key_jwt; its public part is in our JWK Set. */
  signing(): { kid: string; privateKey: KeyObject }
  /** The client secret that was handed over for a provider. Throws `provider-not-configured`. */
  secret(provider: Provider): Promise<Secret>
}

/** Longer than the guard waits, so that the guard's word counts. */
const TIMEOUT_SECONDS = 10

/** Where we prove who we are. */
export type Endpoint =
  | "token_endpoint"
  | "introspection_endpoint"
  | "pushed_authorization_request_endpoint"
  | "backchannel_authentication_endpoint"

/**
 * The provider and us, as openid-client takes them; made for each request, so that keys and secrets are those of now, and an
 * assertion is for the endpoint that is asked. `placed` are the provider's metadata with a place that they do not name.
 */
export async function clientOf(
  parts: ClientParts,
  provider: Provider,
  endpoint: Endpoint,
  placed?: Metadata,
): Promise<oidc.Configuration> {
  const { clientId, issuer } = provider.definition
  const metadata = placed ?? (await provider.metadata())
  const ours = {
    // The library takes a list; its type knows of one alone.
    id_token_signed_response_alg: [...provider.algorithms] as unknown as string,
    [oidc.clockSkew]: Math.round((parts.clock.nowMs() - Date.now()) / 1000),
    [oidc.clockTolerance]: SKEW_SECONDS,
  }
  const client = new oidc.Configuration(
    metadata as oidc.ServerMetadata,
    clientId,
    ours,
    await authentication(parts, provider, metadata[endpoint]),
  )
  client[oidc.customFetch] = provider.fetch
  client.timeout = TIMEOUT_SECONDS
  // The guard judges every URL; the library would refuse http on loopback as well.
  if (issuer.startsWith("http:")) oidc.allowInsecureRequests(client)
  return client
}

/** OpenID Connect Core §9. */
async function authentication(parts: ClientParts, provider: Provider, endpoint?: string): Promise<oidc.ClientAuth> {
  switch (provider.definition.clientAuthentication) {
    case "private_key_jwt": {
      const { kid, privateKey } = parts.signing()
      const key = privateKey.toCryptoKey({ name: "ECDSA", namedCurve: "P-256" }, false, ["sign"])
      const audience = audienceFor(provider, endpoint)
      const options: oidc.ModifyAssertionOptions = {
        [oidc.modifyAssertion](_, payload) {
          payload["aud"] = audience
        },
      }
      return oidc.PrivateKeyJwt({ key, kid }, options)
    }
    case "client_secret_post":
      return oidc.ClientSecretPost((await parts.secret(provider)).reveal())
    case "client_secret_basic":
      return oidc.ClientSecretBasic((await parts.secret(provider)).reveal())
    case "none":
      return oidc.None()
  }
}

/**
 * One text, by which no other server is called. An endpoint's name is what metadata make it, so it has to be of the issuer's own
 * origin: else a provider could have an assertion made that is good at another one (rfc7523bis, "audience injection").
 */
function audienceFor({ definition: { issuer }, profile }: Provider, endpoint: Metadata[Endpoint]): string {
  if (profile.assertionAudience !== "endpoint" || endpoint === undefined) return issuer
  if (new URL(endpoint).origin === new URL(issuer).origin) return endpoint
  throw new Unreachable("an endpoint lies elsewhere than its issuer, where an assertion would name it")
}
