import type { User } from "../../user.ts"
import type { Provider } from "../provider.ts"
import { cibaProfiles } from "./profiles.ts"

/** Whom the provider is to ask: who delegated, as that very provider named them at their sign-in. */
export type Asked = Pick<User, "iss" | "sub" | "claims">

/**
 * `login_hint` (CIBA Core §7.1) of the user; null where their provider never told by what name it knows them. What an agent says
 * is not looked at, so that it cannot choose whose phone rings; and whoever answers has to be this user by `sub`.
 */
export function loginHint({ definition }: Provider, { iss, sub, claims }: Asked): string | null {
  const { hintClaim } = definition.ciba ?? {}
  if (iss !== definition.issuer) return null
  if (cibaProfiles[definition.profile]?.hintFormat === "iss_sub_json")
    return JSON.stringify({ format: "iss_sub", iss, sub })
  if (hintClaim === undefined) return sub
  const names = claims[hintClaim] ?? []
  // Of several nobody could say which one the provider takes.
  return names.length === 1 && names[0] !== "" ? names[0]! : null
}
