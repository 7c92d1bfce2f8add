import { fromBase64, toBase64 } from "./bytes.ts"
import { type Checkpoint, openCheckpoint } from "./checkpoint.ts"
import { LogError } from "./errors.ts"
import { hashBytes } from "./merkle.ts"
import type { NoteVerifier } from "./note-keys.ts"
import { verifyInclusion } from "./verify.ts"

/** Offline evidence that an entry is in a log (C2SP tlog-proof): its index, its inclusion proof, a signed checkpoint. */
export type Proof = {
  index: number
  hashes: Uint8Array[]
  /** The signed note, verbatim. */
  checkpoint: string
  /** Opaque; nobody signed it. */
  extra?: Uint8Array
}

const header = "c2sp.org/tlog-proof@v1"

/** The text of a proof, as it is kept in a `.tlog-proof` file. */
export function formatProof({ index, hashes, checkpoint, extra }: Proof): string {
  const lines = [header, ...(extra ? [`extra ${toBase64(extra)}`] : []), `index ${index}`, ...hashes.map(toBase64)]
  const text = `${lines.join("\n")}\n\n${checkpoint}`
  parseProof(text)
  return text
}

/** Reads a proof; the checkpoint in it stays a note to open. Throws `malformed-proof`. */
export function parseProof(text: string): Proof {
  const blank = text.indexOf("\n\n")
  const lines = text.slice(0, Math.max(blank, 0)).split("\n")
  if (lines.shift() !== header) throw new LogError("malformed-proof", `The first line is not ${header}.`)
  const extra = lines[0]?.startsWith("extra ") ? fromBase64(lines.shift()!.slice("extra ".length)) : undefined
  if (extra === null) throw new LogError("malformed-proof", "The extra data is not base64.")
  const digits = /^index (0|[1-9]\d*)$/.exec(lines.shift() ?? "")?.[1]
  if (digits === undefined || !Number.isSafeInteger(Number(digits))) {
    throw new LogError("malformed-proof", "The index line is missing or not a decimal below 2^53.")
  }
  const hashes = lines.map((line) => {
    const hash = fromBase64(line)
    if (hash?.length !== hashBytes)
      throw new LogError("malformed-proof", "A line of the proof is not 32 bytes in base64.")
    return hash
  })
  return { index: Number(digits), hashes, checkpoint: text.slice(blank + 2), ...(extra && { extra }) }
}

/**
 * Verifies that the log with this key, or one of these, holds this leaf hash, offline; returns where. Throws
 * `malformed-proof`, `not-included`, and what `openCheckpoint` throws.
 */
export async function verifyProof(
  text: string,
  leaf: Uint8Array,
  verifier: NoteVerifier | readonly NoteVerifier[],
): Promise<{ index: number; checkpoint: Checkpoint }> {
  const { index, hashes, checkpoint: note } = parseProof(text)
  const checkpoint = await openCheckpoint(note, verifier)
  const { size, root } = checkpoint
  if (!verifyInclusion({ leaf, index, size, root, proof: hashes })) {
    throw new LogError("not-included", `The proof does not lead from this entry at ${index} to the signed root.`)
  }
  return { index, checkpoint }
}
