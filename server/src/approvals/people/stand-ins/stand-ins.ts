import type { Change } from "#audit"
import { type Database, type Id, newId, Refusal } from "#kernel"
import { insertStandIn, listStandIns, revokeAppointed, revokeStandIn, type StandIn, standInsNow } from "./store.ts"

/** Who is to stand in, for which groups of the user's, and for how long. */
export type Appointment = {
  user: Id<"user">
  standIn: Id<"user">
  groups: string[]
  startsInSeconds: number
  seconds: number
}

/**
 * People who decide in the place of a member of a group, while that one is away. Only what somebody may decide as a member can be
 * passed on: what is asked of users themselves stays theirs. It is not passed on again, since nobody is a member by standing in.
 */
export interface StandIns {
  /**
   * Appoints somebody. `memberOf` are the groups that the user is a member of by the configuration in force. Throws
   * `invalid-request` for another group, for oneself, for longer than 90 days, or when there are too many.
   */
  appoint(appointment: Appointment, memberOf: readonly string[]): Change<StandIn>
  /** Takes it back; either of the two may. Null when it is neither's, or over. */
  revoke(by: Id<"user">, id: string): Change<StandIn | null>
  /** Takes back every one that the user appointed. */
  revokeAll(user: Id<"user">): Change<StandIn[]>
  /** Those that are not over, with the user on either side. */
  list(user: Id<"user">): Promise<StandIn[]>
  /**
   * In whose places a person may decide for a group now, by the database's clock. Whoever the action is done for decides for
   * nobody, and nobody decides for them: neither is the second of two.
   */
  placesOf(person: Id<"user">, group: string, doneFor: Id<"user"> | null): Promise<Id<"user">[]>
  /** For whom a person stands in now. */
  held(person: Id<"user">): Promise<StandIn[]>
  /** Who stands in for a person now, for any of the groups. */
  of(user: Id<"user">, groups: readonly string[]): Promise<Id<"user">[]>
}

const MOST = 10
const MOST_SECONDS = 90 * 86_400

/** Opens them. */
export function openStandIns({ database }: { database: Database }): StandIns {
  return {
    appoint(appointment, memberOf) {
      requireAppointment(appointment, memberOf)
      const { user, standIn, groups, seconds } = appointment
      return {
        async work(tx) {
          const made = await insertStandIn(tx, { ...appointment, id: newId("standin") }, MOST)
          if (made === null) throw new Refusal("invalid-request", `${MOST} people stand in for you. Remove one first.`)
          return made
        },
        entries: ({ id }) => [
          { event: "approvals.stand-in-appointed", by: user, user, data: { id, standIn, groups, seconds } },
        ],
      }
    },
    revoke: (by, id) => ({
      work: (tx) => revokeStandIn(tx, by, id),
      entries: (gone) => {
        if (gone === null) return []
        const { user, standIn } = gone
        return [{ event: "approvals.stand-in-revoked", by, user, data: { id, standIn } }]
      },
    }),
    revokeAll: (user) => ({
      work: (tx) => revokeAppointed(tx, user),
      entries: (gone) =>
        gone.map(({ id, standIn }) => {
          return { event: "approvals.stand-in-revoked", by: user, user, data: { id, standIn } }
        }),
    }),
    list: (user) => listStandIns(database, user),
    async placesOf(person, group, doneFor) {
      if (person === doneFor) return []
      const held = await standInsNow(database, { standIn: person })
      return held.filter(({ user, groups }) => user !== doneFor && groups.includes(group)).map(({ user }) => user)
    },
    held: (person) => standInsNow(database, { standIn: person }),
    async of(user, groups) {
      const held = await standInsNow(database, { user })
      return held.filter((each) => each.groups.some((group) => groups.includes(group))).map(({ standIn }) => standIn)
    },
  }
}

function requireAppointment(
  { user, standIn, groups, startsInSeconds, seconds }: Appointment,
  memberOf: readonly string[],
): void {
  const refuse = (message: string): never => {
    throw new Refusal("invalid-request", message)
  }
  if (user === standIn) refuse("Somebody else has to stand in for you.")
  if (groups.length === 0 || groups.some((group) => !memberOf.includes(group))) {
    refuse("You can pass on what you decide as a member of a group, and nothing else.")
  }
  if (!(seconds >= 60 && seconds <= MOST_SECONDS && startsInSeconds >= 0 && startsInSeconds <= MOST_SECONDS)) {
    refuse("It lasts from a minute to 90 days, and begins within 90 days.")
  }
}
