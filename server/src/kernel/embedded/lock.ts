import { linkSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { randomText } from "../ids.ts"
import { Refusal } from "../refusal.ts"
import { isRunning, ownIdentity, type ProcessIdentity } from "./processes.ts"

/** Held by the one process that may start and stop the cluster of a folder. */
export type FolderLock = Disposable

/**
 * Takes a folder for this process. Throws `folder-in-use` while another living process of this machine holds it; one that
 * died, however it died, holds nothing. Not a lock between machines or containers that share a disk.
 *
 * Each holder makes the next of a series of files, `supervisor.<n>.lock`, whole and at once (link(2)), so that of two that
 * see a dead holder one fails. The newest file is never removed, only replaced, or a slow third could make it again.
 */
export function lockFolder(folder: string): FolderLock {
  for (;;) {
    const newest = numbers(folder).at(-1) ?? 0
    const holder = newest === 0 ? null : read(nameOf(folder, newest))
    if (holder !== null && isRunning(holder)) {
      throw new Refusal("folder-in-use", `Process ${holder.pid} runs the database in ${folder}. Stop it first.`)
    }
    const own = nameOf(folder, newest + 1)
    if (!create(own)) continue
    const all = numbers(folder)
    if (all.at(-1) !== newest + 1) {
      rmSync(own)
      continue
    }
    for (const older of all.slice(0, -1)) rmSync(nameOf(folder, older), { force: true })
    return { [Symbol.dispose]: () => replace(own, { pid: 0, start: "released" }) }
  }
}

/** True for a folder that somebody holds or once held: a cluster's. */
export function wasLocked(folder: string): boolean {
  return numbers(folder).length > 0
}

function numbers(folder: string): number[] {
  return readdirSync(folder)
    .map((name) => /^supervisor\.(\d+)\.lock$/.exec(name)?.[1])
    .filter((number) => number !== undefined)
    .map(Number)
    .sort((a, b) => a - b)
}

function nameOf(folder: string, number: number): string {
  return join(folder, `supervisor.${number}.lock`)
}

function read(path: string): ProcessIdentity | null {
  try {
    return JSON.parse(readFileSync(path, "utf8")) as ProcessIdentity
  } catch {
    return null
  }
}

function create(path: string): boolean {
  const draft = write(path, ownIdentity())
  try {
    linkSync(draft, path)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false
    throw error
  } finally {
    rmSync(draft)
  }
}

function replace(path: string, holder: ProcessIdentity): void {
  renameSync(write(path, holder), path)
}

function write(path: string, holder: ProcessIdentity): string {
  const draft = `${path}.${randomText(12)}`
  writeFileSync(draft, JSON.stringify(holder), { mode: 0o600 })
  return draft
}
