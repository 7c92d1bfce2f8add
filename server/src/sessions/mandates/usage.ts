import type { Change } from "#audit"
import { bumpEpoch, type Database, type Id } from "#kernel"
import {
  insertLabels,
  insertMade,
  readLabelTimes,
  readMade,
  readRoom,
  readSpent,
  returnSpent,
  type Taken,
  type Taking,
  takeAll,
} from "./store.ts"

/**
 * What sessions took of their limits, have seen, and had made in them. Counted in the database, so that all servers count
 * together; a request takes under its own name, and only once.
 */
export interface Usage {
  /** Whether each would fit now, in order, and how much is left. Only a hint: take() decides. */
  room(request: string, takings: readonly Taking[]): Promise<{ room: number; fits: boolean }[]>
  /** What was taken in a session so far. */
  spent(session: string): Promise<{ budget: string; measure: string; spent: number }[]>
  /** What the chain that begins with `root` has seen, and since when. */
  labels(root: Id<"session">): Promise<{ label: string; since: Date }[]>
  /** Takes all, or nothing where one does not fit. To be committed with the entry of what it is taken for. */
  take(request: string, takings: readonly Taking[]): Change<Taken>
  /** Gives back what the request took, for an effect that we know did not happen. */
  giveBack(request: string): Change<void>
  /**
   * Labels the whole chain that begins with `root`: those who handed the session on, and all that was handed on from them.
   * Results in those that are new; then every decision made before is thrown away.
   */
  label(root: Id<"session">, labels: readonly string[]): Change<string[]>
  /** Notes an object that an enforcement point saw being made. Never on an agent's word. */
  noteMade(session: Id<"session">, kind: string, object: string): Change<void>
  /** Objects of these kinds that were made in any of the sessions; a kind of which there is none is not there. */
  made(sessions: readonly string[], kinds: readonly string[]): Promise<{ [kind: string]: string[] }>
}

/** The usage in a database. */
export function openUsage(database: Database): Usage {
  return {
    room: (request, takings) => readRoom(database, request, takings),
    spent: (session) => readSpent(database, session),
    labels: (root) => readLabelTimes(database, root),
    take: (request, takings) => ({
      shared: { statement: takeAll, question: { request, takings } },
      work: async (tx, answer) => (answer as Taken | undefined) ?? (await takeAll(tx, [{ request, takings }]))[0]!,
      entries: () => [],
    }),
    giveBack: (request) => ({ work: (tx) => returnSpent(tx, request), entries: () => [] }),
    label: (root, labels) => ({
      async work(tx) {
        const added = await insertLabels(tx, root, labels)
        if (added.length > 0) await bumpEpoch(tx)
        return added
      },
      entries: (added) =>
        added.length === 0
          ? []
          : [{ event: "sessions.labelled", by: "server", session: root, data: { labels: added } }],
    }),
    noteMade: (session, kind, object) => ({
      work: (tx) => insertMade(tx, session, kind, object),
      entries: () => [],
    }),
    async made(sessions, kinds) {
      const made: { [kind: string]: string[] } = {}
      for (const { kind, object } of await readMade(database, sessions, kinds)) {
        made[kind] ??= []
        made[kind].push(object)
      }
      return made
    },
  }
}
