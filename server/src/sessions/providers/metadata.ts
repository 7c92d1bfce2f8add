import { z } from "zod"
import type { Json } from "#kernel"
import type { Network } from "./addresses.ts"
import { isAllowed } from "./fetch.ts"

const texts = z.array(z.string()).optional()
const flag = z.boolean().optional()

/** What we use of a provider's metadata (OpenID Connect Discovery §3, RFC 8414, RFC 9126, RFC 9207, RFC 9396, CIBA Core §4). */
function schemaFor(issuer: string, network: Network) {
  const endpoint = z
    .string()
    .max(2_000)
    .refine((text) => {
      const url = URL.parse(text)
      return url !== null && isAllowed(url, network) && url.hash === ""
    }, "is no place that a provider may be asked at")
  return z.object({
    // RFC 8414 §3.3: the same text. Who publishes another one's name would be believed in its place.
    issuer: z.literal(issuer),
    authorization_endpoint: endpoint,
    token_endpoint: endpoint,
    jwks_uri: endpoint,
    userinfo_endpoint: endpoint.optional(),
    introspection_endpoint: endpoint.optional(),
    pushed_authorization_request_endpoint: endpoint.optional(),
    end_session_endpoint: endpoint.optional(),
    backchannel_authentication_endpoint: endpoint.optional(),
    backchannel_token_delivery_modes_supported: texts,
    authorization_response_iss_parameter_supported: flag,
    backchannel_logout_supported: flag,
    authorization_details_types_supported: texts,
    // RFC 9700 §2.1.1: whoever says which it knows, and not S256, cannot bind the code to us.
    code_challenge_methods_supported: texts.refine((known) => known?.includes("S256") !== false, "lacks S256"),
  })
}

/** What a provider says of itself. */
export type Metadata = z.infer<ReturnType<typeof schemaFor>>

/** Reads metadata that was fetched for that issuer. Throws an Error; nothing of what it says is used then. */
export function readMetadata(value: Json, issuer: string, network: Network): Metadata {
  return schemaFor(issuer, network).parse(value)
}

/** Where the metadata of an issuer is (OpenID Connect Discovery §4.1). */
export function metadataUrl(issuer: string): string {
  return `${issuer.replace(/\/$/, "")}/.well-known/openid-configuration`
}
