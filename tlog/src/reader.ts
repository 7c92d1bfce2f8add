import { decodeEntries } from "./entries.ts"
import { LogError } from "./errors.ts"
import { hashBytes } from "./merkle.ts"
import { type ReadTile, tilePath, tileWidth } from "./tiles.ts"

/** Where a log's files come from: a folder, an HTTP prefix, a database. Paths are those of C2SP tlog-tiles. */
export interface LogReader {
  /** Content of a file; null when there is none. Throws when it cannot be known (network, permission). */
  read(path: string): Promise<Uint8Array | null>
}

/** Reads a log over HTTP. `headers` go with each request (entries may need a right). Throws on any answer but 200 and 404. */
export function httpReader(prefix: string, headers: Record<string, string> = {}): LogReader {
  return {
    async read(path) {
      const response = await fetch(`${prefix.replace(/\/$/, "")}/${path}`, { headers })
      if (response.status === 404) return null
      if (!response.ok) throw new Error(`${path}: HTTP ${response.status}`)
      return new Uint8Array(await response.arrayBuffer())
    },
  }
}

/** The tile reader that proofs need, over a log's files. It throws `missing-tile` and `malformed-tile`. */
export function tilesFrom(reader: LogReader): ReadTile {
  return async (level, index, width) => {
    const file = await readWithFallback(reader, level, index, width)
    if (file.bytes.length !== file.width * hashBytes) {
      throw new LogError("malformed-tile", `${file.path} has ${file.bytes.length} bytes.`)
    }
    return file.bytes.subarray(0, width * hashBytes)
  }
}

/** The first `width` entries of a bundle. Throws `missing-tile` and `malformed-entries`. */
export async function readEntries(reader: LogReader, index: number, width: number): Promise<Uint8Array[]> {
  const file = await readWithFallback(reader, "entries", index, width)
  return decodeEntries(file.bytes, file.width).slice(0, width)
}

/** C2SP tlog-tiles, "Partial Tiles": a log may drop a partial tile once the full one is there, which begins with it. */
async function readWithFallback(reader: LogReader, level: number | "entries", index: number, width: number) {
  for (const fileWidth of new Set([width, tileWidth])) {
    const path = tilePath(level, index, fileWidth)
    const bytes = await reader.read(path)
    if (bytes !== null) return { path, bytes, width: fileWidth }
  }
  throw new LogError("missing-tile", `There is no ${tilePath(level, index, width)}.`)
}
