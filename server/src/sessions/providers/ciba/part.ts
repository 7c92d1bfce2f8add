import { z } from "zod"
import type { ProfileName } from "../profiles.ts"
import { type CibaProfile, cibaProfiles } from "./profiles.ts"

const text = z.string().min(1).max(500)

/** How users are asked at their provider, out of band. Off where it is left out. */
export const cibaSchema = z.strictObject({
  mode: z.enum(["poll", "ping"]).default("poll"),
  /** Our name of the claim by which the provider knows the user in `login_hint`; `sub` where it is left out. */
  hintClaim: text.optional(),
  scopes: z
    .array(z.string().regex(/^[\x21\x23-\x5b\x5d-\x7e]+$/))
    .max(8)
    .default(["openid"]),
  /** Asked for; one of them must be what the ID token says then. */
  acrValues: z.array(text).max(8).default([]),
  /** The ID token has to say that the provider saw the user within so many seconds. */
  maxAgeSeconds: z.int().min(0).max(86_400).optional(),
  /** Requests are signed by our key; as the profile has it unless told. */
  signedRequests: z.boolean().optional(),
  /** Type of the `authorization_details` that the provider was told of; else only where its discovery lists ours. */
  detailsType: text.optional(),
  /** The provider asks us to ask the person: what they have to prove to us before we answer it. */
  channel: z.strictObject({ proof: z.enum(["session", "passkey"]).default("passkey") }).optional(),
})

/** The `ciba` of a provider, defaults filled in. */
export type CibaPart = z.infer<typeof cibaSchema>

/** What of a provider bears on its `ciba`. */
type Of = { profile: ProfileName; clientAuthentication: string; claims: { [name: string]: string } }

/** What is wrong with it, by field; nothing where it can be used. */
export function cibaProblems(part: CibaPart, of: Of): [field: string, message: string][] {
  const profile: CibaProfile | null = cibaProfiles[of.profile]
  if (profile === null) {
    return [
      ["", `providers of this profile (${of.profile}) have no CIBA: leave it out; a fresh sign-in proves users there`],
    ]
  }
  const { hintClaim, mode, signedRequests, detailsType, channel, scopes } = part
  const problems: [string, string | false][] = [
    // CIBA Core §7.1: the client authenticates.
    ["", of.clientAuthentication === "none" && "CIBA is for clients that prove who they are: say clientAuthentication"],
    ["mode", !profile.modes.includes(mode) && `providers of this profile know ${profile.modes.join(", ")}`],
    ["hintClaim", hintClaim !== undefined && !Object.hasOwn(of.claims, hintClaim) && "is none of the claims above"],
    [
      "hintClaim",
      hintClaim === undefined && !profile.isKnownBySub && "say which claim is the name that users sign in by there",
    ],
    [
      "hintClaim",
      hintClaim !== undefined && profile.hintFormat !== "plain" && "users are known by issuer and subject there",
    ],
    ["scopes", !scopes.includes("openid") && "openid is one of the scopes"],
    ["signedRequests", signedRequests === true && profile.signed === "no" && "this profile takes no signed requests"],
    ["signedRequests", signedRequests === false && profile.signed === "required" && "this profile demands them"],
    ["detailsType", detailsType !== undefined && !profile.takesDetails && "this profile takes no details"],
    ["channel", channel !== undefined && !profile.mayAskUs && "providers of this profile ask their users themselves"],
  ]
  return problems.filter((each): each is [string, string] => each[1] !== false)
}
