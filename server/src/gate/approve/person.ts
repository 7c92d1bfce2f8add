import type { Person } from "#approvals"
import type { SignedInBrowser } from "#sessions"
import type { Rooms } from "../rooms.ts"

/**
 * Who somebody is to requests for approval: with the members of groups whom they stand in for now. Whether they still do is asked
 * again when they decide.
 */
export async function personOf(rooms: Rooms, { id, provider, sub }: Person): Promise<Person> {
  const held = await rooms.approvals.people.standIns.held(id)
  const places = held.map(async ({ user, groups }) => {
    const member = await rooms.sessions.findUser({ id: user })
    return member === null ? [] : groups.map((group) => ({ group, member }))
  })
  const inPlaceOf = (await Promise.all(places)).flat()
  return { id, provider, sub, ...(inPlaceOf.length === 0 ? {} : { inPlaceOf }) }
}

/** The same of whoever is signed in with a browser. */
export async function withPlaces<Known extends SignedInBrowser>(rooms: Rooms, known: Known): Promise<Known> {
  return { ...known, user: { ...known.user, ...(await personOf(rooms, known.user)) } }
}
