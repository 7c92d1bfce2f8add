import { type ActionDetail, type Application, detailsFor, type Inspected } from "#sessions"
import type { Rooms } from "../rooms.ts"

/** RFC 7662 §2.2, with what our tokens say. Of one that is not active nothing is told. */
export type Introspection =
  | { active: false }
  | {
      active: true
      iss: string
      aud: string
      sub: string
      sub_id?: { format: string; iss: string; sub: string }
      client_id: string
      act?: { sub: string }
      token_type: "Bearer" | "DPoP"
      authorization_details: ActionDetail[]
      cnf: { jkt: string } | { "x5t#S256": string }
      exp: number
      iat: number
      jti: string
      safeconduct_session: string
    }

/**
 * What a token is to an application that guards resources, now: its session is read from the database, and whoever acts in it
 * or handed it on must be active. A token that allows nothing at those resources is not active there (RFC 7662 §4).
 */
export async function introspect(rooms: Rooms, guard: Application, token: string): Promise<Introspection> {
  const inspected = await rooms.sessions.inspectToken(token)
  const standing = inspected?.standing ?? null
  if (inspected === null || standing === null) return { active: false }
  const ceilings = ceilingsOf(rooms, standing)
  if (ceilings === null) return { active: false }
  const details = detailsFor(inspected, guard.resources, ceilings)
  if (details.length === 0) return { active: false }
  const { iss, aud, sub, sub_id, client_id, act, cnf, exp, iat, jti } = inspected.claims
  return {
    active: true,
    ...{ iss, aud, sub, client_id },
    ...(sub_id === undefined ? {} : { sub_id }),
    ...(act === undefined ? {} : { act }),
    token_type: "jkt" in cnf ? "DPoP" : "Bearer",
    authorization_details: details,
    ...{ cnf, exp, iat, jti },
    safeconduct_session: standing.session.id,
  }
}

/** Of everybody who acts in the session or handed it on; null when one of them may not act any more. */
function ceilingsOf({ agents }: Rooms, { session, ancestors }: NonNullable<Inspected["standing"]>): unknown[] | null {
  const ceilings = [...ancestors.map((each) => each.session), session].map(({ agent: name, instance, purpose }) => {
    const agent = agents.agent(name)
    const mayAct = agent?.state === "active" && !agents.isRevoked(instance) && agent.purposes.includes(purpose)
    return mayAct ? agent.ceiling : null
  })
  return ceilings.includes(null) ? null : ceilings
}
