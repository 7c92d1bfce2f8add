import { randomBytes } from "node:crypto"
import { mkdir, open, rename, rm } from "node:fs/promises"
import { dirname, join } from "node:path"

/** Replaces a file as a whole: a reader sees the old content or the new, and so does whoever starts after a crash. */
export async function writeAtomically(path: string, content: string, mode = 0o644): Promise<void> {
  const beside = `${path}.${randomBytes(6).toString("hex")}.new`
  const file = await open(beside, "wx", mode)
  try {
    await file.writeFile(content)
    await file.sync()
    await file.close()
    // A crash here leaves a file that ends in .new, which nobody reads.
    await rename(beside, path)
  } catch (error) {
    await file.close().catch(() => undefined)
    await rm(beside, { force: true })
    throw error
  }
  await syncFolder(dirname(path))
}

/** Makes a folder that only its owner may enter; its parents as the umask has it. */
export async function makePrivateFolder(path: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true })
  await mkdir(path, { recursive: true, mode: 0o700 })
}

/** Path of a file in a folder. */
export const inFolder = (folder: string, name: string): string => join(folder, name)

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, "r")
  try {
    await folder.sync()
  } finally {
    await folder.close()
  }
}
