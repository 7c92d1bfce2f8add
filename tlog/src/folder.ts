import { mkdir, readFile, writeFile } from "node:fs/promises"
import { dirname, join } from "node:path"
import type { LogWriter } from "./export-log.ts"
import type { LogReader } from "./reader.ts"

/** Reads an exported log from a folder. Node only, hence `@safeconduct/tlog/folder`. */
export function folderReader(folder: string): LogReader {
  return {
    async read(path) {
      try {
        return new Uint8Array(await readFile(join(folder, path)))
      } catch (error) {
        if (error instanceof Error && "code" in error && (error.code === "ENOENT" || error.code === "ENOTDIR"))
          return null
        throw error
      }
    },
  }
}

/** Writes a log into a folder, making the folders it needs. */
export function folderWriter(folder: string): LogWriter {
  return {
    async write(path, bytes) {
      await mkdir(dirname(join(folder, path)), { recursive: true })
      await writeFile(join(folder, path), bytes)
    },
  }
}
