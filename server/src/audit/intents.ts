import type { Change, Draft } from "./change.ts"
import { missOverdueIntents } from "./store.ts"

/** Says that an outcome is missing; it is none itself, so that one may still come. */
export const MISSING = "audit.outcome-missing"
/** Intents marked in one transaction. */
const MAX_INTENTS = 100

/** Records, once for each intent past its deadline, that its outcome is missing. The result is what was recorded. */
export const missingOutcomes: Change<Draft[]> = {
  work: async (tx) =>
    (await missOverdueIntents(tx, MAX_INTENTS)).map(({ id, event, session }) => ({
      event: MISSING,
      by: "server",
      ...(session === null ? {} : { session }),
      of: id,
      data: { event },
    })),
  entries: (drafts) => drafts,
}
