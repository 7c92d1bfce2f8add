import {
  consistencyProof,
  inclusionProof,
  LogError,
  type LogReader,
  leafHash,
  openCheckpoint,
  parseNoteVerifier,
  readEntries,
  tilesFrom,
  verifyConsistency,
  verifyInclusion,
  widthIn,
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
  keyLost?: boolean
}

/** `first` is the first entry of the verified log `origin`, `vkeys` are all that are trusted. */
type Comparison = {
  origin: string | null
  first: LogEntry | undefined
  vkeys: readonly string[]
  earlier: Earlier | undefined
}

/**
 * Compares what was last seen here of an earlier log with what the logs after it say became of it, so that no rotation hides
 * anything, nor one after another. Returns a sentence when entries that were seen are gone, as was said. Throws when more is
 * missing or changed than was said, or nothing is said.
 */
export async function compareEarlier({ origin, first, vkeys, earlier }: Comparison): Promise<string | null> {
  let named = origin
  let begun = first
  for (;;) {
    const before = beforeOf(begun, named)
    if (before === null) return null
    const note = await lastCheckpoint(before.origin)
    if (note !== undefined) return await compareWith(note, { before, reason: begun!.data["reason"], vkeys, earlier })
    if (!(await isOlderSeen(before))) return null
    if (earlier === undefined) throw unknownBetween(before)
    begun = await provenFirst(earlier(before.log), before)
    named = before.origin
  }
}

/** Null for the first log. */
function beforeOf(first: LogEntry | undefined, origin: string | null): Before | null {
  const log = Number(/\/log\/(\d+)$/.exec(origin ?? "")?.[1] ?? 1)
  if (first?.index === 0 && first.event === "audit.log-begun") return first.data["before"] as Before
  if (log === 1) return null
  const message = `${origin} does not begin with what became of the log before it (audit.log-begun): that one may be hidden.`
  throw new CommandError(exits.notVerified, "not-verified", message)
}

/** Whether anything was seen here of a log before that one. */
async function isOlderSeen({ origin, log }: Before): Promise<boolean> {
  for (let older = log - 1; older > 0; older--) {
    if ((await lastCheckpoint(origin.replace(/\d+$/, String(older)))) !== undefined) return true
  }
  return false
}

/** The first entry of a log, proven to be in the tree that the next one says was kept. */
async function provenFirst(reader: LogReader, { origin, kept }: Before): Promise<LogEntry> {
  try {
    const [entry] = await readEntries(reader, 0, widthIn(kept.size, "entries", 0))
    const proof = await inclusionProof(tilesFrom(reader), 0, kept.size)
    const root = new Uint8Array(Buffer.from(kept.root, "base64"))
    if (verifyInclusion({ leaf: leafHash(entry!), index: 0, size: kept.size, root, proof })) {
      return { index: 0, ...(JSON.parse(new TextDecoder().decode(entry)) as Omit<LogEntry, "index">) }
    }
  } catch (error) {
    if (!(error instanceof LogError || error instanceof RangeError)) throw error
  }
  throw hidden(`the first entry of ${origin}, which says what became of the one before it, is not there`)
}

type Seen = { before: Before; reason: unknown; vkeys: readonly string[]; earlier: Earlier | undefined }

async function compareWith(note: string, { before, reason, vkeys, earlier }: Seen): Promise<string | null> {
  const verifiers = keysOf(before.origin, vkeys).map(parseNoteVerifier)
  const seen = await openCheckpoint(note, verifiers)
  const { signed, kept } = before
  const lost = (count: number, why: string) =>
    `${count} entries of ${before.origin} that were seen here are gone; ${why}.`
  if (signed === null || seen.size > signed.size) {
    if (before.keyLost === true && seen.size > kept.size) {
      return lost(seen.size - kept.size, `its key is said to be lost as well: "${String(reason)}"`)
    }
    const said = `this one says that ${signed?.size ?? "none"} of them were ever signed`
    if (before.keyLost !== true)
      throw hidden(`${seen.size} signed entries of ${before.origin} were seen here, and ${said}`)
  }
  if (seen.size === signed?.size && base64(seen.root) !== signed.root) {
    throw hidden(`the ${seen.size} entries of ${before.origin} that were seen here are not those that this one names`)
  }
  if (seen.size > kept.size) return lost(seen.size - kept.size, `said of it: "${String(reason)}"`)
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

function unknownBetween({ origin }: Before): CommandError {
  const message = `${origin} lies between this log and the last that was seen here. Verify at a server, which has it.`
  return new CommandError(exits.notVerified, "not-verified", message)
}

function hidden(what: string): CommandError {
  const message = `The log before this one was altered before it was closed: ${what}.`
  return new CommandError(exits.notVerified, "not-verified", message)
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("base64")
}
