import { type Checkpoint, parseCheckpoint } from "./checkpoint.ts"
import { encodeEntries } from "./entries.ts"
import { LogError } from "./errors.ts"
import { parseNote } from "./note.ts"
import { type LogReader, readEntries, tilesFrom } from "./reader.ts"
import { bundlesOf, tilePath, tilesOf } from "./tiles.ts"

/** Where a log's files go. */
export interface LogWriter {
  /** Writes one file, whole; replaces one of that path. */
  write(path: string, bytes: Uint8Array): Promise<void>
}

/**
 * Copies a log as its checkpoint describes it now: `checkpoint`, `tile/…`, `tile/entries/…`, any static file server can serve
 * the result. Verifies nothing: `verifyLog` does. Throws `missing-tile` and what the formats throw.
 */
export async function exportLog(reader: LogReader, writer: LogWriter): Promise<Checkpoint> {
  const note = await reader.read("checkpoint")
  if (note === null) throw new LogError("malformed-checkpoint", "The log has no checkpoint yet.")
  const checkpoint = parseCheckpoint(parseNote(note).text)
  const readTile = tilesFrom(reader)
  for (const { level, index, width } of tilesOf(checkpoint.size)) {
    await writer.write(tilePath(level, index, width), await readTile(level, index, width))
  }
  for (const { level, index, width } of bundlesOf(checkpoint.size)) {
    await writer.write(tilePath(level, index, width), encodeEntries(await readEntries(reader, index, width)))
  }
  // A crash before here leaves tiles without a checkpoint; verifyLog says `checkpoint-missing`, another export completes it.
  await writer.write("checkpoint", note)
  return checkpoint
}
