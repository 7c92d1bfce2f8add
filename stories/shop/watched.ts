import assert from "node:assert/strict"
import type { Outcome, World } from "../world.ts"
import type { ShopHouse } from "./house.ts"

/** What each agent may come to do in this shop, whoever it is for; everything else is outside of every mandate. */
const WITHIN: { [purpose: string]: readonly string[] } = {
  "order-help": [
    "credential:read shop",
    "credential:write shop",
    "credential:track shop",
    "delegate:track-parcel shipping-bot",
  ],
  "track-parcel": ["credential:track shop"],
}

type Leaf = {
  event: string
  session?: string
  user?: string
  application?: string
  purpose?: string
  action?: { type: string; operation: string; resource: string }
}

/** A world that is looked over its shoulder: whatever a story forgets to expect is judged when it is over. */
export type Watched = {
  world: World
  /** What came through of customers other than the one whose session it was, with the step that it came by. */
  seenOfOthers(): string[]
  /**
   * Throws when the log has an action in the story's sessions that lies outside of what their purposes are for, or an entry that
   * does not say for whom it is, through which application.
   */
  assertWithin(house: ShopHouse): Promise<void>
}

/** Watches. */
export function watched(world: World): Watched {
  const people = ["alice", "bob"]
  const seen: string[] = []
  const sessions: string[] = []
  let user = ""
  const look = (step: string, outcome: Outcome): Outcome => {
    for (const other of people.filter((each) => each !== user)) {
      for (const secret of world.privateOf(other)) if (outcome.text.includes(secret)) seen.push(`${secret}: ${step}`)
    }
    return outcome
  }
  const opened = (outcome: Outcome): Outcome => {
    if (outcome.kind === "allowed") sessions.push(outcome.text)
    return outcome
  }
  return {
    world: {
      ...world,
      async session(agent, purpose, seconds, delegated) {
        user = delegated?.user ?? ""
        return opened(await world.session(agent, purpose, seconds, delegated))
      },
      delegate: async (...asked) => opened(look(`delegate ${asked[0]}`, await world.delegate(...asked))),
      lease: async (...asked) => look(`lease ${asked[1]}`, await world.lease(...asked)),
      sql: async (connection, text) => look(text, await world.sql(connection, text)),
      call: async (...asked) => look(asked.join(" "), await world.call(...asked)),
    },
    seenOfOthers: () => seen,
    async assertWithin({ operator }) {
      for (const session of sessions) {
        const path = `/v1/audit/entries?session=${session}&limit=100`
        const { entries } = await operator.json<{ entries: { leaf: Leaf }[] }>({ method: "GET", path })
        const [opened] = entries
        for (const { leaf } of entries) {
          assert.match(leaf.user ?? "nobody", /^user_/, leaf.event)
          assert.deepEqual([leaf.user, leaf.application], [opened!.leaf.user, "shop-web"], leaf.event)
          if (leaf.event !== "gate.action-begun") continue
          const { type, operation, resource } = leaf.action!
          const done = `${type}:${operation} ${resource}`
          assert.ok(WITHIN[leaf.purpose ?? ""]?.includes(done), `${done} was allowed in ${leaf.purpose}`)
        }
      }
    },
  }
}
