import type { Change, Draft } from "./change.ts"
import { takeOverdueIntents } from "./store.ts"

/** Intents taken in one transaction. */
const MAX_INTENTS = 100

/** Records, once for each intent past its deadline, that its outcome is missing. The result is how many there were. */
export const missingOutcomes: Change<Draft[]> = {
  work: async (tx) =>
    (await takeOverdueIntents(tx, MAX_INTENTS)).map(({ id, event, session }) => ({
      event: "audit.outcome-missing",
      by: "server",
      ...(session === null ? {} : { session }),
      of: id,
      data: { event },
    })),
  entries: (drafts) => drafts,
}
