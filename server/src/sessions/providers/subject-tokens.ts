import * as oidc from "openid-client"
import { base64url, type Json, sha256 } from "#kernel"
import { type ActionDetail, parseDetails } from "../action-details.ts"
import type { Jws } from "../jws.ts"
import { mapClaims } from "./claims.ts"
import { type ClientParts, clientOf } from "./client.ts"
import { type Delegated, delegatedBy, type MayAct, mayActBy } from "./delegated.ts"
import { hasAll, requireIdToken } from "./id-token.ts"
import type { Provider } from "./provider.ts"
import { refusalFor } from "./refused.ts"
import {
  audienceOf,
  MAX_TOKEN_BYTES,
  optionalText,
  type Payload,
  readToken,
  requireTimes,
  signedBy,
  textOf,
  typeOf,
} from "./token.ts"

/** Kinds of subject tokens that are taken (RFC 8693 §3; draft-ietf-oauth-identity-assertion-authz-grant §4). */
export const subjectTokenTypes = {
  "urn:ietf:params:oauth:token-type:id_token": "id-token",
  "urn:ietf:params:oauth:token-type:access_token": "access-token",
  "urn:ietf:params:oauth:token-type:id-jag": "id-jag",
} as const

/** A token type's URN. */
export type SubjectTokenType = keyof typeof subjectTokenTypes

/** What a token of a provider's says of its user, of those who may act for them, and of whom it is for. */
export type SubjectToken = {
  provider: string
  type: SubjectTokenType
  iss: string
  sub: string
  claims: { [name: string]: string[] }
  /** The session at the provider, for back-channel logout. */
  sid: string | null
  /**
   * Everybody whom the token names as its client or audience, but for us: every one of them has to be the same registered
   * application. Empty when it names none.
   */
  clients: string[]
  /** True when its audience is our issuer alone. */
  isForUs: boolean
  /** What it grants (RFC 9396), ours alone; null when it says nothing. */
  details: ActionDetail[] | null
  /** The purpose that it names, where the configuration says by which claim. */
  purpose: string | null
  /** The provider issued it to an agent that acts for the user (RFC 8693 §4.1); null for the user's own token. */
  delegated: Delegated | null
  /** Agents of which the provider says that they may act for the user (RFC 8693 §4.4). */
  mayAct: MayAct[]
  /** For single use, where the type demands it: an ID-JAG has one. */
  jti: string | null
  issuedAtMs: number
  expiresAtMs: number
  /** SHA-256 of the token, base64url: evidence, and no name for it (a signature may be written in more than one way). */
  digest: string
}

/** What it stands on: the providers in force, and us. */
export type SubjectParts = ClientParts & { issuer: string; providers: readonly Provider[] }

/** A token to be judged; `provider` names whose it is where the token itself cannot. */
export type PresentedToken = { token: string; type: SubjectTokenType; provider?: string | undefined }

/**
 * Judges a token of a configured provider. Whose client or audience it names, and whether its user delegated anything, is the
 * caller's to judge. Throws `subject-token-invalid`, `provider-unavailable`, `provider-not-configured`.
 */
export async function verifySubjectToken(parts: SubjectParts, presented: PresentedToken): Promise<SubjectToken> {
  let name = presented.provider ?? "of the token"
  try {
    const jws = presented.token.length <= MAX_TOKEN_BYTES ? compact(presented.token) : null
    const provider = jws === null ? introspecting(parts, presented) : issuerOf(parts, presented, jws)
    name = provider.name
    const payload =
      jws === null
        ? await introspected(parts, provider, presented)
        : (await signedBy(provider, judged(parts, provider, presented.type, jws))).payload
    return read(parts, provider, presented, payload)
  } catch (error) {
    const what = "The subject token is not one that a configured provider issued for this, or it has expired."
    throw refusalFor(error, name, "subject-token-invalid", what)
  }
}

/** Null for a token that is no JWT: only its provider can read it. */
function compact(token: string): Jws | null {
  return token.split(".").length === 3 && token.startsWith("ey") ? readToken(token) : null
}

/** The provider whose issuer the token names; believed only once its signature is judged. */
function issuerOf({ providers }: SubjectParts, { provider: wanted }: PresentedToken, { payload }: Jws): Provider {
  const provider = providers.find(
    ({ definition: { issuer }, profile }) =>
      payload["iss"] === issuer || (profile.hasBareIssuer && payload["iss"] === issuer.replace(/^https?:\/\//, "")),
  )
  if (provider === undefined) throw new Error("iss is no configured provider")
  if (wanted !== undefined && wanted !== provider.name) throw new Error("iss is another provider's")
  return provider
}

/**
 * Whom an opaque token may be shown to: nobody but the one who can have issued it. Who that is must be said where there is more
 * than one provider: also those whose tokens are not read issue some.
 */
function introspecting({ providers }: SubjectParts, { type, provider: wanted }: PresentedToken): Provider {
  const [provider, ...others] = wanted === undefined ? providers : providers.filter(({ name }) => name === wanted)
  const isAble = provider !== undefined && others.length === 0 && accessTokensOf(provider) === "introspection"
  if (subjectTokenTypes[type] !== "access-token" || !isAble) {
    throw new Error("it is no JWT, and no one provider can be asked")
  }
  return provider
}

function accessTokensOf({ definition, profile }: Provider): "jwt" | "introspection" | "none" {
  return definition.accessTokens ?? profile.accessTokens
}

/** The token, when its header and what its profile demands fit the type that it is said to have (RFC 8725 §3.11). */
function judged({ issuer }: SubjectParts, provider: Provider, type: SubjectTokenType, jws: Jws): Jws {
  const { payload } = jws
  switch (subjectTokenTypes[type]) {
    case "id-token":
      requireIdToken(provider, jws)
      return jws
    case "id-jag":
      if (typeOf(jws) !== "oauth-id-jag+jwt") throw new Error("typ is not oauth-id-jag+jwt")
      // One text: whoever is made to name another server too hands it a key to this one.
      if (payload["aud"] !== issuer) throw new Error("aud is not our issuer alone")
      textOf(payload["jti"], "jti")
      textOf(payload["client_id"], "client_id")
      return jws
    case "access-token": {
      if (accessTokensOf(provider) !== "jwt") throw new Error("access tokens of this provider are not read")
      const { untyped } = provider.profile
      const isUntyped =
        untyped?.types.some((each) => each?.toLowerCase() === typeOf(jws)) === true && hasAll(payload, untyped.claims)
      if (typeOf(jws) !== "at+jwt" && !isUntyped) throw new Error("it does not say that it is an access token")
      return jws
    }
  }
}

/** RFC 7662 §2.2. A refresh token is active, too: it has no token_type. */
async function introspected(parts: SubjectParts, provider: Provider, { token }: PresentedToken): Promise<Payload> {
  const client = await clientOf(parts, provider, "introspection_endpoint")
  const said = (await oidc.tokenIntrospection(client, token, { token_type_hint: "access_token" })) as Payload
  if (said["active"] !== true) throw new Error("the provider does not know it, or it has ended")
  if (String(said["token_type"]).toLowerCase() !== "bearer") throw new Error("it is no bearer token")
  if (said["iss"] !== undefined && said["iss"] !== provider.definition.issuer) throw new Error("iss is another one's")
  // §2.2 leaves iat open; what is active has begun.
  return { ...said, iat: said["iat"] ?? Math.floor(parts.clock.nowMs() / 1000) }
}

function read(
  parts: SubjectParts,
  provider: Provider,
  { token, type }: PresentedToken,
  payload: Payload,
): SubjectToken {
  const { definition, profile } = provider
  const kind = subjectTokenTypes[type]
  // RFC 7800: whoever shows it would have to prove a key, and nobody asked them to.
  if (payload["cnf"] !== undefined) throw new Error("it is bound to a key, and comes without proof of it")
  const { expiresAtMs, issuedAtMs } = requireTimes(payload, parts.clock.nowMs())
  const { acrValues } = definition
  // Demanded of every sign-in, also of those that an application led to. Missing is not met.
  if (acrValues.length > 0 && !acrValues.includes(optionalText(payload["acr"], "acr") ?? "")) {
    throw new Error("acr is not met")
  }
  const audience = audienceOf(payload)
  const isForUs = audience.length === 1 && audience[0] === parts.issuer
  const named = kind === "id-token" ? ["azp"] : kind === "id-jag" ? ["client_id"] : profile.clientClaims
  const parties = named.flatMap((claim) => optionalText(payload[claim], claim) ?? [])
  // OpenID Connect Core §3.1.3.7: with more than one audience somebody must say which of them asked.
  if (kind === "id-token" && audience.length > 1 && parties.length === 0) throw new Error("azp is missing")
  const { delegatedTokens: rules } = definition
  const subject = kind === "access-token" ? profile.accessSubject : profile.subject
  const delegated = delegatedBy(rules, definition.issuer, payload)
  if (delegated !== null && !isForUs) throw new Error("a delegated token is for us alone")
  const granted = payload[rules?.detailsClaim ?? "authorization_details"]
  return {
    provider: provider.name,
    type,
    iss: definition.issuer,
    sub: textOf(payload[subject], subject),
    claims: mapClaims(definition, payload),
    sid: optionalText(payload[rules?.sessionClaim ?? "sid"], "the session"),
    clients: [...new Set([...audience.filter((each) => each !== parts.issuer), ...parties])].sort(),
    isForUs,
    details: granted === undefined ? null : ownDetails(granted),
    purpose: rules?.purposeClaim === undefined ? null : optionalText(payload[rules.purposeClaim], "the purpose"),
    delegated,
    mayAct: kind === "id-jag" ? [] : mayActBy(rules, definition.issuer, payload),
    jti: optionalText(payload["jti"], "jti"),
    issuedAtMs,
    expiresAtMs,
    digest: base64url(sha256(token)),
  }
}

/** Details of our type; those of others are somebody else's to read. One of ours that does not parse spoils the token. */
function ownDetails(granted: Json): ActionDetail[] {
  if (!Array.isArray(granted)) throw new Error("authorization_details is no list")
  const isOurs = (each: Json) =>
    typeof each === "object" && each !== null && !Array.isArray(each) && each["type"] === "safeconduct_action"
  return parseDetails(granted.filter(isOurs))
}
