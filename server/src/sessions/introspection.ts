import { type ActionDetail, intersect } from "./action-details.ts"
import type { Standing, Standings } from "./standings.ts"
import type { TokenClaims, Tokens } from "./tokens.ts"

/** An access token of ours with the open session that it is of; null for an agent's own, which is of none. */
export type Inspected = { claims: TokenClaims; standing: Standing | null }

/**
 * What a token is, whoever shows it. Null for what is none of ours, has expired, or is of a session that is over or is not
 * what the token says: the database is asked, not memory.
 */
export async function inspect(
  { tokens, standings }: { tokens: Tokens; standings: Standings },
  token: string,
): Promise<Inspected | null> {
  const claims = tokens.inspect(token)
  if (claims === null || claims.safeconduct_session === undefined) return claims && { claims, standing: null }
  const standing = await standings.look(claims.safeconduct_session)
  if (standing === null) return null
  const { user } = standing.session
  const isOf = user === null ? claims.sub === claims.client_id && claims.act === undefined : claims.sub === user.id
  return isOf ? { claims, standing } : null
}

/**
 * What of a token concerns one who guards these resources (RFC 9396 §9.2): no other location, nothing that an agent hands on,
 * and nothing that one of the bounds does not include any more.
 */
export function detailsFor(
  { claims }: Inspected,
  resources: readonly string[],
  bounds: readonly unknown[],
): ActionDetail[] {
  return bounds
    .reduce<ActionDetail[]>((details, bound) => intersect(details, bound), claims.authorization_details)
    .flatMap((detail) => {
      const locations = detail.locations.filter((location) => resources.includes(location))
      const actions = detail.actions.filter((action) => !action.startsWith("delegate:"))
      return locations.length > 0 && actions.length > 0 ? [{ ...detail, locations, actions }] : []
    })
}
