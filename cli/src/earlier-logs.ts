import {
  consistencyProof,
  type LogReader,
  openCheckpoint,
  parseNoteVerifier,
  tilesFrom,
  verifyConsistency,
} from "@safeconduct/tlog"
import { keepCheckpoint, lastCheckpoint } from "./checkpoints.ts"
import { CommandError, exits } from "./exit.ts"
import { keysOf, type LogEntry } from "./log-keys.ts"

/** Reads a log that was closed, by its number. */
export type Earlier = (log: number) => LogReader

/** What the first entry of a log says of the one before it. */
type Before = {
  log: number
  origin: string
  kept: { size: number; root: string }
  signed: { size: number; root: string } | null
}

/** `first` is the verified log's first entry, `vkeys` are all that are trusted. */
type Comparison = { first: LogEntry | undefined; vkeys: readonly string[]; earlier: Earlier | undefined }

/**
 * Compares what was seen here of the log before with what this one says became of it, so that no rotation hides anything.
 * Returns a sentence when entries that were seen are gone, as was said. Throws when more is missing or changed than was said.
 */
export async function compareEarlier({ first, vkeys, earlier }: Comparison): Promise<string | null> {
  if (first?.index !== 0 || first.event !== "audit.log-begun") return null
  const { before, reason } = first.data as { before: Before; reason: string }
  const note = await lastCheckpoint(before.origin)
  if (note === undefined) return null
  const verifiers = keysOf(before.origin, vkeys).map(parseNoteVerifier)
  const seen = await openCheckpoint(note, verifiers)
  const { signed, kept } = before
  if (signed === null || seen.size > signed.size) {
    const said = `this one says that ${signed?.size ?? "none"} of them were ever signed`
    throw hidden(`${seen.size} signed entries of ${before.origin} were seen here, and ${said}`)
  }
  if (seen.size === signed.size && base64(seen.root) !== signed.root) {
    throw hidden(`the ${seen.size} entries of ${before.origin} that were seen here are not those that this one names`)
  }
  if (seen.size > kept.size) {
    const gone = `${seen.size - kept.size} entries of ${before.origin} that were seen here are gone`
    return `${gone}; said of it: "${reason}". Verify with --accept-loss where that is so.`
  }
  if (earlier !== undefined) await requireContained(earlier(before.log), seen, before)
  return null
}

/** What was lost is accepted: from now on what was kept counts. */
export async function acceptLoss(first: LogEntry, earlier: Earlier): Promise<void> {
  const { origin, log } = (first.data as { before: Before }).before
  const note = await earlier(log).read("checkpoint")
  if (note !== null) await keepCheckpoint(origin, new TextDecoder().decode(note))
}

async function requireContained(reader: LogReader, seen: { size: number; root: Uint8Array }, { origin, kept }: Before) {
  const newRoot = new Uint8Array(Buffer.from(kept.root, "base64"))
  const proof = await consistencyProof(tilesFrom(reader), seen.size, kept.size).catch(() => null)
  const claim = { oldSize: seen.size, oldRoot: seen.root, newSize: kept.size, newRoot }
  if (proof !== null && verifyConsistency({ ...claim, proof })) return
  throw hidden(`the first ${seen.size} entries of ${origin} are not those that were seen here`)
}

function hidden(what: string): CommandError {
  const message = `The log before this one was altered before it was closed: ${what}.`
  return new CommandError(exits.notVerified, "not-verified", message)
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("base64")
}
