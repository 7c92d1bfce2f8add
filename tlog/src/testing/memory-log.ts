import type { LogWriter } from "../export-log.ts"
import {
  appendLeaves,
  emptyEdge,
  encodeEntries,
  encodeTile,
  formatCheckpoint,
  formatProof,
  inclusionProof,
  type LogReader,
  leafHash,
  type NoteSigner,
  newNoteKey,
  parseNoteSigner,
  partialTiles,
  signNote,
  tilePath,
  tilesFrom,
} from "../index.ts"

/** A log kept as a map of files, for tests: what a server would serve, checkpoint of the newest entries included. */
export type MemoryLog = {
  files: Map<string, Uint8Array>
  io: LogReader & LogWriter
  entries: Uint8Array[]
  signer: NoteSigner
  vkey: string
  /** Root after the first n entries, by n. */
  roots: Uint8Array[]
  /** A signed checkpoint of the first n entries. */
  checkpoint(size: number): Promise<string>
  receipt(index: number): Promise<string>
}

/** Bytes of a text. */
export const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)

/** Entries that differ from each other. */
export function entriesOf(count: number, prefix = "entry"): Uint8Array[] {
  return Array.from({ length: count }, (_, index) => bytes(`${prefix} ${index}`))
}

/** Files over a map. */
export function memoryFiles(files: Map<string, Uint8Array>): LogReader & LogWriter {
  return {
    read: async (path) => files.get(path) ?? null,
    write: async (path, content) => void files.set(path, content),
  }
}

/** Builds a signed log; `signer` continues an existing log's key, as its thief would. */
export async function memoryLog(entries: Uint8Array[], signer?: NoteSigner): Promise<MemoryLog> {
  const key = signer ?? (await parseNoteSigner((await newNoteKey("log.example/1")).skey))
  const files = new Map<string, Uint8Array>()
  const io = memoryFiles(files)
  let edge = emptyEdge()
  const roots: Uint8Array[] = [appendLeaves(edge, []).root]
  for (const entry of entries) {
    const grown = appendLeaves(edge, [leafHash(entry)])
    edge = grown.edge
    roots.push(grown.root)
    for (const { level, index, hashes } of grown.tiles) files.set(tilePath(level, index), encodeTile(hashes))
  }
  for (const { level, index, hashes } of partialTiles(edge)) {
    files.set(tilePath(level, index, hashes.length), encodeTile(hashes))
  }
  for (let from = 0; from < entries.length; from += 256) {
    const bundle = entries.slice(from, from + 256)
    files.set(tilePath("entries", from / 256, bundle.length), encodeEntries(bundle))
  }
  const checkpoint = (size: number) => signNote(formatCheckpoint({ origin: key.name, size, root: roots[size]! }), [key])
  files.set("checkpoint", bytes(await checkpoint(entries.length)))
  const receipt = async (index: number) =>
    formatProof({
      index,
      hashes: await inclusionProof(tilesFrom(io), index, entries.length),
      checkpoint: await checkpoint(entries.length),
    })
  return { files, io, entries, signer: key, vkey: key.vkey, roots, checkpoint, receipt }
}
