import { mkdir, readFile, rename, writeFile } from "node:fs/promises"
import { dirname, join } from "node:path"
import { FILES, inHome } from "./home.ts"

/**
 * The last checkpoint of each log that verified here: what makes a cut or rewritten log visible to whoever looked before.
 * Kept as it was signed, under the log's origin.
 */
export async function lastCheckpoint(origin: string): Promise<string | undefined> {
  try {
    return await readFile(pathFor(origin), "utf8")
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined
    throw error
  }
}

/** Keeps a checkpoint that has just been verified. */
export async function keepCheckpoint(origin: string, note: string): Promise<void> {
  const path = pathFor(origin)
  await mkdir(dirname(path), { recursive: true })
  await writeFile(`${path}.new`, note)
  // A crash here leaves the older checkpoint, which proves less but nothing wrong.
  await rename(`${path}.new`, path)
}

function pathFor(origin: string): string {
  return join(inHome(FILES.checkpoints), `${encodeURIComponent(origin)}.checkpoint`)
}
