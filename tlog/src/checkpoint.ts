import { fromBase64, toBase64 } from "./bytes.ts"
import { LogError } from "./errors.ts"
import { hashBytes } from "./merkle.ts"
import { openNote } from "./note.ts"
import type { NoteVerifier } from "./note-keys.ts"

/** A tree head as it is signed: which log, how many entries, which root (C2SP tlog-checkpoint). */
export type Checkpoint = { origin: string; size: number; root: Uint8Array; extensions: string[] }

/** The text to sign. Throws `malformed-checkpoint` for what `parseCheckpoint` would refuse. */
export function formatCheckpoint(checkpoint: Omit<Checkpoint, "extensions"> & { extensions?: string[] }): string {
  const { origin, size, root, extensions = [] } = checkpoint
  const text = [origin, String(size), toBase64(root), ...extensions].map((line) => `${line}\n`).join("")
  parseCheckpoint(text)
  return text
}

/** Reads a note's text (not its signature lines). Throws `malformed-checkpoint`. */
export function parseCheckpoint(text: string): Checkpoint {
  const lines = text.split("\n")
  if (lines.pop() !== "" || lines.length < 3 || lines.includes("")) {
    throw new LogError("malformed-checkpoint", "A checkpoint is three or more lines, none of them empty.")
  }
  const [origin, size, base64, ...extensions] = lines as [string, string, string, ...string[]]
  if (!/^(0|[1-9]\d*)$/.test(size) || !Number.isSafeInteger(Number(size))) {
    throw new LogError("malformed-checkpoint", "A checkpoint's second line is its size in decimal, below 2^53.")
  }
  const root = fromBase64(base64)
  if (root === null || root.length !== hashBytes) {
    throw new LogError("malformed-checkpoint", "A checkpoint's third line is its root: 32 bytes in base64.")
  }
  return { origin, size: Number(size), root, extensions }
}

/**
 * Opens a signed checkpoint of the log whose key this is, or whose keys: one takes over from another, and one signature
 * is enough. Its origin must be the name of each key that signed. Throws what `openNote` and `parseCheckpoint` throw, and
 * `wrong-origin`.
 */
export async function openCheckpoint(
  note: string | Uint8Array,
  verifier: NoteVerifier | readonly NoteVerifier[],
): Promise<Checkpoint> {
  const { text, signers } = await openNote(note, [verifier].flat())
  const checkpoint = parseCheckpoint(text)
  const other = signers.find(({ name }) => name !== checkpoint.origin)
  if (other !== undefined) {
    throw new LogError("wrong-origin", `The checkpoint is of ${checkpoint.origin}, the key is of ${other.name}.`)
  }
  return checkpoint
}
