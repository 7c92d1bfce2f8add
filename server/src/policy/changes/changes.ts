import type { Change } from "#audit"
import { type Database, newId, Refusal } from "#kernel"
import type { Document } from "../diff.ts"
import * as store from "./store.ts"

/** Changes of the configuration that wait for a second operator. */
export interface Changes {
  /** Keeps a checked document for another operator to sign. */
  propose(proposed: {
    document: Document
    expected: string | null
    by: string
    operator: string
  }): Change<store.ProposedChange>
  /** Null for none of that id. */
  find(id: string): Promise<store.ProposedChange | null>
  /** Newest first, at most a hundred. */
  list(): Promise<store.ProposedChange[]>
  /**
   * Decides one, once; to be joined with what applies it. `signature` is the compact JWS of who does. Its work throws
   * `change-over`.
   */
  decide(change: store.ProposedChange, to: "applied" | "denied", by: string, signature: string | null): Change<void>
}

/** The changes in a database. */
export function openChanges(database: Database): Changes {
  return {
    propose: ({ document, expected, by, operator }) => ({
      work: (tx) => store.insertChange(tx, { id: newId("change"), document, expected, proposedBy: by, operator }),
      entries: ({ id, digest }) => [{ event: "policy.change-proposed", by, data: { change: id, digest, expected } }],
    }),
    find: (id) => store.findChange(database, id),
    list: () => store.listChanges(database),
    decide: ({ id, digest, expected, proposedBy }, to, by, signature) => ({
      async work(tx) {
        if (!(await store.decideChange(tx, { id, state: to, by }))) throw changeOver()
      },
      entries: () => [
        {
          event: to === "applied" ? "policy.change-approved" : "policy.change-denied",
          by,
          data: { change: id, digest, expected, proposedBy, ...(signature === null ? {} : { signature }) },
        },
      ],
    }),
  }
}

/** For one that was decided, or waited too long. */
export function changeOver(): Refusal {
  return new Refusal(
    "change-over",
    "This change does not wait any more: it was decided, or its day is over. Apply it anew.",
  )
}
