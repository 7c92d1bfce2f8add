import { same, toBase64, toHex } from "./bytes.ts"
import { type Checkpoint, openCheckpoint } from "./checkpoint.ts"
import { LogError } from "./errors.ts"
import { leafHash } from "./merkle.ts"
import { parseNoteVerifier } from "./note-keys.ts"
import type { LogReader } from "./reader.ts"
import { verifyProof } from "./receipt.ts"
import { attempt, headOf, type LogReport, type Problem, type ReceiptReport } from "./report.ts"
import { type Difference, type Walk, walk } from "./walk.ts"

/** `older`: a checkpoint of the same log that one kept; without it, dropped or rewritten but re-signed entries go unseen. */
export type VerifyLogOptions = { older?: string; onProgress?: (done: number, size: number) => void }

/** Differing entries that are reported one by one. */
const maxDifferences = 100

/**
 * Verifies a whole log with nothing but its public key, or several of which one is enough: reads every entry, rebuilds the
 * tree from their bytes, compares it with every hash tile, with the signed checkpoint and with an older one. Throws
 * `malformed-key` and what the reader throws; everything that is wrong with the log is in the report.
 */
export async function verifyLog(
  reader: LogReader,
  vkey: string | readonly string[],
  options: VerifyLogOptions = {},
): Promise<LogReport> {
  const verifier = [vkey].flat().map(parseNoteVerifier)
  const note = await reader.read("checkpoint")
  if (note === null) return failed("checkpoint-missing", "The log has no checkpoint.")
  const checkpoint = await attempt(() => openCheckpoint(note, verifier))
  if (checkpoint instanceof LogError) return failed("checkpoint-refused", checkpoint.message)
  const { size } = checkpoint

  const { older: olderNote, onProgress } = options
  const opened = olderNote === undefined ? null : await attempt(() => openCheckpoint(olderNote, verifier))
  const older = opened instanceof LogError ? null : opened
  const found = await walk({ reader, size, mark: older?.size ?? 0, onProgress: (done) => onProgress?.(done, size) })
  const problems: Problem[] = [
    ...(opened instanceof LogError ? [{ code: "older-checkpoint-refused", message: opened.message } as const] : []),
    ...(older === null ? [] : compareWithOlder(found, checkpoint, older)),
    ...found.problems,
    ...compareWithRoot(found, checkpoint),
  ]
  return { ok: problems.length === 0, ...headOf(checkpoint), problems }
}

/** Verifies a receipt (C2SP tlog-proof) for these entry bytes, offline. Throws `malformed-key` only. */
export async function verifyReceipt(
  text: string,
  entry: Uint8Array,
  vkey: string | readonly string[],
): Promise<ReceiptReport> {
  const verifier = [vkey].flat().map(parseNoteVerifier)
  const verified = await attempt(() => verifyProof(text, leafHash(entry), verifier))
  if (verified instanceof LogError) {
    return { ok: false, problems: [{ code: verified.code, message: verified.message }] }
  }
  return { ok: true, index: verified.index, ...headOf(verified.checkpoint), problems: [] }
}

function failed(code: Problem["code"], message: string): LogReport {
  return { ok: false, problems: [{ code, message }] }
}

function compareWithOlder(found: Walk, { size, root }: Checkpoint, older: Checkpoint): Problem[] {
  if (older.size > size) {
    const gone = older.size - size
    const message = `The older checkpoint has ${older.size} entries, this log ${size}: the newest ${gone} are gone.`
    return [{ code: "entries-dropped", message, index: size }]
  }
  if (found.rootAtMark === null || same(found.rootAtMark, older.root)) return []
  // An entry that no longer has its signed hash is told as such; rewritten is what a newer signature covers.
  const isTampered = found.differences.some(({ index }) => index < older.size)
  const isSigned = found.root !== null && same(found.root, root)
  if (isTampered && !isSigned) return []
  const message = `The first ${older.size} entries are not those that the older checkpoint signed.`
  return [{ code: "history-rewritten", message, index: 0 }]
}

function compareWithRoot({ root, differences }: Walk, checkpoint: Checkpoint): Problem[] {
  if (root === null) {
    return [{ code: "root-mismatch", message: "Too little of the log is there to compute its root." }]
  }
  // Where the entries give the signed root, whatever differs from them in a tile is the tile's fault.
  if (same(root, checkpoint.root)) return describe(differences, true)
  const message = `The entries give the root ${toBase64(root)}, signed is ${toBase64(checkpoint.root)}.`
  return [...describe(differences, false), { code: "root-mismatch", message }]
}

function describe(differences: Difference[], entriesAreSigned: boolean): Problem[] {
  const homes = new Map(differences.map(({ index, tile }) => [toHex(tile), index]))
  const problems = differences.slice(0, maxDifferences).map(({ index, entry }): Problem => {
    if (entriesAreSigned) {
      return {
        code: "tile-changed",
        message: `The tile's hash of entry ${index} is not that of the signed entry.`,
        index,
      }
    }
    const home = homes.get(toHex(entry))
    if (home === undefined) {
      return { code: "entry-changed", message: `Entry ${index} is not the one whose hash its tile holds.`, index }
    }
    return { code: "entry-moved", message: `At ${index} stands the entry that belongs at ${home}.`, index }
  })
  const more = differences.length - problems.length
  if (more === 0) return problems
  const { code, index } = { ...problems.at(-1)!, index: differences[maxDifferences]!.index }
  return [...problems, { code, message: `${more} more entries differ from their tiles, from ${index} on.`, index }]
}
