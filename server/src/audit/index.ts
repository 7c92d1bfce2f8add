import type { Change, Recorded } from "./change.ts"

export * from "./change.ts"

/** The log's door for other rooms: one way to change and record. */
export interface Audit extends AsyncDisposable {
  /** Commits the change and its entries; resolves when durable. Throws what the work threw, `overloaded`, `store-unavailable`, `log-forked`. */
  commit<Result>(change: Change<Result>): Promise<{ result: Result; entries: Recorded[]; epoch: number }>
  /** C2SP tlog-proof of the entry; waits up to two seconds for a checkpoint that covers it. Throws `not-found`. */
  receipt(entryId: string): Promise<string>
}
