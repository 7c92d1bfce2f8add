import { z } from "zod"
import type { Json } from "#kernel"
import { refused } from "./entries.ts"

/** Somebody who agreed, for which requirements, and in whose place, by requirement. */
export type Voice = { user: string; countsFor: readonly string[]; standsFor: { readonly [of: string]: string } }

/** Whose approval it took: `user` is whoever it is done for, who speaks for themselves and is nobody's second (request.ts). */
export type Taking = { requirements: Json | undefined; user: string | null }

const some = z.array(z.looseObject({ of: z.string().min(1), required: z.int().min(1) })).min(1)

/**
 * Everybody whose approval it took: so many people for each requirement, nobody counted twice, and of two who speak for one person
 * one. Who is in a group is the server's word; that nobody speaks for the user, nor the user for a group, is not. Throws `not-verified`.
 */
export function requireEverybody({ requirements: given, user }: Taking, agreed: readonly Voice[]): void {
  const { data: requirements } = some.safeParse(given)
  if (requirements === undefined) throw refused("whose approval it took is not there")
  if (new Set(agreed.map((each) => each.user)).size < agreed.length) throw refused("somebody decided twice")
  for (const { of, required } of requirements) {
    const voices = agreed.filter(({ countsFor }) => countsFor.includes(of))
    if (!voices.every((each) => mayCount(each, of, user))) {
      throw refused(`somebody is counted for whom they may not speak (${of})`)
    }
    const people = new Set(voices.map((each) => each.standsFor[of] ?? each.user))
    if (people.size < required) throw refused(`not everybody approved it whom it takes (${of})`)
  }
}

function mayCount({ user: by, standsFor }: Voice, of: string, user: string | null): boolean {
  const as = Object.hasOwn(standsFor, of) ? standsFor[of] : by
  return of === "user" ? by === user && as === user : by !== user && as !== user
}
