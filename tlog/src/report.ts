import { toBase64 } from "./bytes.ts"
import type { Checkpoint } from "./checkpoint.ts"
import { LogError, type LogErrorCode } from "./errors.ts"

/** What can be wrong with a log. Stable: tools may switch on it. */
export type ProblemCode =
  | "checkpoint-missing" // nothing signed to compare with
  | "checkpoint-refused" // the signed checkpoint does not open with this key
  | "older-checkpoint-refused" // the older checkpoint does not open with this key
  | "entries-dropped" // smaller than the older checkpoint
  | "history-rewritten" // the first entries are not those the older checkpoint signed
  | "entries-missing" // a bundle of entries is not there
  | "entries-malformed" // a bundle cannot be taken apart
  | "entry-changed" // an entry is not the one whose hash the tiles hold
  | "entry-moved" // an entry stands at another index than its hash
  | "tile-missing"
  | "tile-changed" // a hash tile is not the hash of what is below it
  | "root-mismatch" // the entries do not give the signed root

/** One thing that is wrong; `index` is the entry it begins at. */
export type Problem = { code: ProblemCode; message: string; index?: number }

/** The verdict on a log: `ok` exactly when nothing is wrong. The head is absent when no checkpoint could be opened. */
export type LogReport = { ok: boolean; problems: Problem[] } & Partial<Head>

/** The verdict on a receipt; `code` is that of the `LogError`. */
export type ReceiptReport = {
  ok: boolean
  index?: number
  problems: { code: LogErrorCode; message: string }[]
} & Partial<Head>

/** The verified tree head, root in base64 as checkpoints write it. */
export type Head = { origin: string; size: number; root: string }

/** A checkpoint as reports show it. */
export function headOf({ origin, size, root }: Checkpoint): Head {
  return { origin, size, root: toBase64(root) }
}

/** The value, or the LogError that was thrown instead. Anything else thrown goes on. */
export async function attempt<Value>(work: () => Value | Promise<Value>): Promise<Value | LogError> {
  try {
    return await work()
  } catch (error) {
    if (error instanceof LogError) return error
    throw error
  }
}
