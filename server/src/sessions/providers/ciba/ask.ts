import { SignJWT } from "jose"
import * as oidc from "openid-client"
import { type Json, newId, Refusal, Secret } from "#kernel"
import { type ClientParts, clientOf } from "../client.ts"
import type { Provider } from "../provider.ts"
import { refusalFor } from "../refused.ts"
import { type Asked, loginHint } from "./hint.ts"
import type { CibaPart } from "./part.ts"
import { type CibaProfile, cibaProfiles } from "./profiles.ts"

/** What a user is asked at their provider. */
export type AskingRequest = {
  provider: string
  user: Asked
  /** What both screens show, so that the person sees that they belong together: a few letters and digits. */
  code: string
  /** Seconds that we wait. */
  expirySeconds: number
  /** Validated facts, for a provider that shows them (RFC 9396). */
  details?: { readonly [name: string]: Json }
  /** Bearer of the provider's ping, where that is how we hear of the answer. */
  pingToken?: Secret
}

/** That the provider asks, or what it would not ask for, by its own code. */
export type Asking =
  | { state: "asked"; authReqId: Secret; expiresInSeconds: number; intervalSeconds: number }
  | { state: "refused"; error: string }

/** CIBA Core §7.3. */
const INTERVAL_SECONDS = 5
/** §7.3: letters, digits, `.`, `-` and `_`; Keycloak's is an encrypted token of some thousand. */
const AUTH_REQ_ID = /^[A-Za-z0-9._-]{1,8000}$/
const SIGNED_SECONDS = 60

/**
 * Has the provider ask its user, out of band. Nothing of an agent's words goes there. Throws `provider-unavailable`, and then the
 * person may have been asked all the same; `provider-not-configured` where that provider is not to be asked so.
 */
export async function askAtProvider(parts: ClientParts, provider: Provider, request: AskingRequest): Promise<Asking> {
  const { profile, part } = cibaOf(provider)
  const hint = loginHint(provider, request.user)
  if (hint === null) return { state: "refused", error: "no-login-hint" }
  if (!profile.bindingMessage.form.test(request.code)) throw new Error("the code is none that this profile takes")
  const metadata = await placed(provider)
  const expirySeconds = Math.min(request.expirySeconds, profile.maxExpirySeconds)
  const parameters: { [name: string]: string } = {
    scope: part.scopes.join(" "),
    login_hint: hint,
    binding_message: request.code,
    [profile.expiryParameter]: String(expirySeconds),
    ...(part.acrValues.length === 0 ? {} : { acr_values: part.acrValues.join(" ") }),
    ...(request.pingToken === undefined ? {} : { client_notification_token: request.pingToken.reveal() }),
    ...detailsFor(part, profile, metadata.authorization_details_types_supported, request.details),
  }
  try {
    const client = await clientOf(parts, provider, "backchannel_authentication_endpoint", metadata)
    const isSigned = part.signedRequests ?? profile.signed === "required"
    const sent = isSigned ? { request: await signed(parts, provider, parameters) } : parameters
    const answer = await oidc.initiateBackchannelAuthentication(client, sent)
    if (!AUTH_REQ_ID.test(answer.auth_req_id)) return { state: "refused", error: "no-auth-req-id" }
    return {
      state: "asked",
      authReqId: new Secret(answer.auth_req_id),
      expiresInSeconds: Math.min(answer.expires_in, expirySeconds),
      intervalSeconds: Math.max(1, answer.interval ?? INTERVAL_SECONDS),
    }
  } catch (error) {
    if (error instanceof oidc.ResponseBodyError && error.status < 500)
      return { state: "refused", error: wordOf(error.error) }
    if (error instanceof oidc.WWWAuthenticateChallengeError) return { state: "refused", error: "invalid_client" }
    throw refusalFor(
      error,
      provider.name,
      "provider-unavailable",
      `The provider "${provider.name}" could not ask. Try again later.`,
    )
  }
}

/** How that provider is asked. Throws `provider-not-configured`. */
export function cibaOf({ name, definition }: Provider): { profile: CibaProfile; part: CibaPart } {
  const profile = cibaProfiles[definition.profile]
  if (definition.ciba !== undefined && profile !== null) return { profile, part: definition.ciba }
  throw new Refusal("provider-not-configured", `The provider "${name}" is not configured to ask users: add ciba to it.`)
}

/** Its metadata, with the endpoint of its profile where discovery has none. */
export async function placed({ definition, metadata }: Provider) {
  const found = await metadata()
  const path = cibaProfiles[definition.profile]?.path ?? null
  if (found.backchannel_authentication_endpoint !== undefined || path === null) return found
  return { ...found, backchannel_authentication_endpoint: `${definition.issuer.replace(/\/$/, "")}/${path}` }
}

/** One object: Auth0 takes no more, and a provider that does not know its type refuses the whole request (RFC 9396 §5). */
function detailsFor(
  { detailsType }: CibaPart,
  { takesDetails }: CibaProfile,
  known: readonly string[] = [],
  details?: AskingRequest["details"],
): { authorization_details?: string } {
  const type = detailsType ?? (known.includes(OUR_TYPE) ? OUR_TYPE : undefined)
  if (!takesDetails || type === undefined || details === undefined) return {}
  return { authorization_details: JSON.stringify([{ ...details, type }]) }
}

const OUR_TYPE = "safeconduct_action"

/** CIBA Core §7.1.1: every parameter is inside, and nothing beside it but what authenticates us. */
async function signed(
  parts: ClientParts,
  { definition }: Provider,
  parameters: { [name: string]: string },
): Promise<string> {
  const { kid, privateKey } = parts.signing()
  const now = Math.floor(parts.clock.nowMs() / 1000)
  return await new SignJWT(parameters)
    .setProtectedHeader({ alg: "ES256", kid })
    .setIssuer(definition.clientId)
    .setAudience(definition.issuer)
    .setIssuedAt(now)
    .setNotBefore(now)
    .setExpirationTime(now + SIGNED_SECONDS)
    .setJti(newId("request"))
    .sign(privateKey)
}

/** An error code (RFC 6749 §5.2) as it can be kept and shown. */
export function wordOf(error: string): string {
  return /^[a-z_]{1,64}$/.test(error) ? error : "other"
}
