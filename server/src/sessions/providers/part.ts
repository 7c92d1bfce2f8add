import { z } from "zod"
import { parseWith } from "../action-details.ts"
import { cibaProblems, cibaSchema } from "./ciba/part.ts"
import { algorithms, type ProfileName, profileOf, profiles } from "./profiles.ts"

const name = z.string().regex(/^[a-z][a-z0-9-]{0,62}$/, "a name is a-z, 0-9 and hyphens")
const text = z.string().min(1).max(500)
/** Ours, and so an attribute that policies can speak of. */
const ownClaim = z.string().regex(/^[a-z][A-Za-z0-9_]{0,62}$/, "a claim of ours is letters, digits and _")
const role = z.enum(["admin", "operator", "auditor", "approver"])

/** How we prove to the provider who we are (OpenID Connect Core §9). */
const authentication = z.enum(["private_key_jwt", "client_secret_post", "client_secret_basic", "none"])

/** How the provider's own delegations to agents are read (RFC 8693 §4.1, §4.4). */
const delegatedSchema = z.strictObject({
  /** What the provider calls an agent, in `act.sub` or `may_act.sub`: our name for it. */
  agents: z.record(text, name),
  /** The claim that says who may act for the user. */
  mayActClaim: text.default("may_act"),
  /** Scopes that stand for the user's permission that an agent acts for them: the agent's name. */
  scopes: z.record(text, name).default({}),
  /** The claim with what may be done (RFC 9396). */
  detailsClaim: text.default("authorization_details"),
  /** The claim that names the purpose; without one, whoever presents the token says which. */
  purposeClaim: text.optional(),
  /** The claim that names the session at the provider. */
  sessionClaim: text.default("sid"),
})

const rolesSchema = z.strictObject({
  claim: text,
  values: z.record(text, z.array(role).max(4)),
  /** Asked of operators in the place of what is asked of everybody. */
  acrValues: z.array(text).min(1).max(8).optional(),
  /** The provider has to have seen an operator within so many seconds; 0: they prove anew who they are. */
  maxAgeSeconds: z.int().min(0).max(86_400).optional(),
})

const stepUpSchema = z.strictObject({
  /** Asked in the place of what is asked of everybody; one of them must be what the ID token says then. */
  acrValues: z.array(text).max(8).optional(),
  /** For a provider that does not know `max_age`: asked for `prompt=login` too. What it says of `auth_time` is judged all the same. */
  prompt: z.enum(["login"]).optional(),
})

const providerSchema = z
  .strictObject({
    /** Exactly as the provider writes it; everything else is discovered from it. */
    issuer: z.string().max(500),
    profile: z.enum(Object.keys(profiles) as [ProfileName, ...ProfileName[]]).default("generic"),
    clientId: text,
    clientAuthentication: authentication.default("private_key_jwt"),
    scopes: z
      .array(z.string().regex(/^[\x21\x23-\x5b\x5d-\x7e]+$/))
      .max(32)
      .default(["openid"]),
    /** Our name for a claim: theirs. */
    claims: z.record(ownClaim, text).default({}),
    /** Operators' sign-in: which values of a claim are which roles. */
    roles: rolesSchema.optional(),
    /** Asked of every sign-in; one of them must be what the ID token says then. */
    acrValues: z.array(text).max(8).default([]),
    /** Narrower than the profile's. */
    algorithms: z.array(z.enum(algorithms)).min(1).optional(),
    /** Other than the profile's. */
    accessTokens: z.enum(["jwt", "introspection", "none"]).optional(),
    delegatedTokens: delegatedSchema.optional(),
    /** How users are asked there, out of band. */
    ciba: cibaSchema.optional(),
    /** What a fresh sign-in by which a user decides something has to show. */
    stepUp: stepUpSchema.optional(),
    /** Where it may be: at a public address, also at a private one (RFC 1918, RFC 4193), or on this machine for tests. */
    network: z.enum(["public", "private", "loopback"]).default("public"),
    /** PEM of the authority that signed its certificate; absent: those that Node trusts. */
    ca: z.string().startsWith("-----BEGIN CERTIFICATE-----").max(65_536).optional(),
  })
  .superRefine((provider, { addIssue }) => {
    const refuse = (field: string, message: string) => addIssue({ code: "custom", path: [field], message })
    const problem = issuerProblem(provider.issuer, provider.network === "loopback")
    if (problem !== null) refuse("issuer", problem)
    const { issuer, algorithms: known, assertionAudience } = profileOf(provider.profile)
    if (issuer !== undefined && !issuer.form.test(provider.issuer)) refuse("issuer", issuer.what)
    if (assertionAudience === null && provider.clientAuthentication === "private_key_jwt")
      refuse("clientAuthentication", NO_KEY)
    for (const [field, message] of provider.ciba === undefined ? [] : cibaProblems(provider.ciba, provider)) {
      addIssue({ code: "custom", path: field === "" ? ["ciba"] : ["ciba", field], message })
    }
    if (!provider.scopes.includes("openid")) refuse("scopes", "openid is one of the scopes")
    if (provider.algorithms?.some((each) => !known.includes(each)) === true && provider.profile !== "generic") {
      refuse("algorithms", `tokens of this profile are signed with ${known.join(", ")}`)
    }
  })

/** The `providers` of safeconduct.yaml. */
export const providersSchema = z.record(name, providerSchema).superRefine((providers, { addIssue }) => {
  const seen = new Map<string, string>()
  for (const [key, { issuer }] of Object.entries(providers)) {
    const other = seen.get(issuer)
    // Of two with one issuer nobody could say by which of them a token is judged.
    if (other !== undefined)
      addIssue({ code: "custom", path: [key, "issuer"], message: `${other} has the same issuer` })
    seen.set(issuer, key)
  }
})

/** An OpenID provider, as configured. */
export type ProviderDefinition = z.infer<typeof providerSchema>

/** The `providers` part of a configuration, defaults filled in. */
export type ProvidersPart = { [name: string]: ProviderDefinition }

/** Checks the value of `providers:`. Throws `policy-invalid` with the place in `detail.path`; unknown fields are refused. */
export function parseProviders(value: unknown): ProvidersPart {
  return parseWith(providersSchema, value ?? {}, "providers")
}

const NO_KEY =
  "providers of this profile take no key like ours (ES256, in a JWK Set): write client_secret_post, and hand the secret over"

/** Hosts that are this machine, as a URL has them. */
const LOOPBACK = ["127.0.0.1", "localhost", "[::1]"]

/** OpenID Connect Discovery §3: https, no query, no fragment. Compared as text ever after, so only one spelling is taken. */
function issuerProblem(issuer: string, isLoopback: boolean): string | null {
  const url = URL.parse(issuer)
  if (url === null) return "an issuer is a URL"
  if (url.href !== issuer && url.href !== `${issuer}/`) return `write it as ${url.href}, or as the provider does`
  if (url.username !== "" || url.password !== "") return "an issuer names no user"
  if (/[?#]/.test(issuer)) return "an issuer has no query and no fragment"
  if (isLoopback && LOOPBACK.includes(url.hostname)) return /^https?:$/.test(url.protocol) ? null : "an issuer is https"
  if (isLoopback) return `network: loopback is for ${LOOPBACK.join(", ")}`
  return url.protocol === "https:" ? null : "an issuer is https"
}
