import { chmodSync, existsSync, lstatSync, mkdirSync, readFileSync, realpathSync, writeFileSync } from "node:fs"
import { homedir, tmpdir } from "node:os"
import { dirname, join, resolve } from "node:path"
import process from "node:process"
import { fingerprint } from "../bytes.ts"
import { Refusal } from "../refusal.ts"
import { type Account, canReach } from "./account.ts"

/** Says where the data is, in a folder that PostgreSQL's user cannot reach. */
const POINTER = "data-is-in"

/** Makes a folder of ours, or takes one that is; whatever PostgreSQL runs or keeps there, nobody else may have put there. */
export function ownFolder(path: string, mode: 0o700 | 0o711 | 0o755): string {
  if (!existsSync(path)) {
    mkdirSync(dirname(path), { recursive: true })
    try {
      mkdirSync(path, { mode: 0o700 })
      // The mask of the process must not decide who can reach it.
      chmodSync(path, mode)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error
    }
  }
  const seen = lstatSync(path)
  const isOurs = seen.isDirectory() && seen.uid === (process.geteuid?.() ?? seen.uid) && (seen.mode & 0o022) === 0
  if (isOurs) return path
  // A folder that another local user prepared could hold a program that we would run.
  throw new Refusal(
    "not-ready",
    `${path} belongs to another user, or others may write to it. Remove it, or fix its mode.`,
  )
}

/** The wished folder itself: made so that PostgreSQL's user can pass through it where its parents allow that. */
export function wishedFolder(path: string, account: Account): string {
  const folder = resolve(path)
  mkdirSync(dirname(folder), { recursive: true })
  ownFolder(folder, account.isOther && canReach(account, dirname(folder)) ? 0o711 : 0o700)
  return realpathSync(folder)
}

/**
 * Where a cluster's data lives: the wished folder, or, where PostgreSQL's user cannot reach that, one of our own keyed by
 * the wished folder's name, with a pointer left behind.
 */
export function placeOf(folder: string, account: Account, isThrowaway: boolean): string {
  if (canReach(account, folder)) return folder
  const pointer = join(folder, POINTER)
  const place = existsSync(pointer)
    ? readFileSync(pointer, "utf8").trim()
    : join(sharedFolder(account, isThrowaway), "clusters", fingerprint(folder).slice(0, 32))
  ownFolder(dirname(place), 0o755)
  ownFolder(place, 0o711)
  // A crash here leaves an empty place; the next start computes the same one.
  writeFileSync(pointer, `${place}\n`, { mode: 0o600 })
  return place
}

/** A folder for what clusters share (programs), which the account can reach and nobody else can change. */
export function sharedFolder(account: Account, isThrowaway: boolean): string {
  const cache = process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache")
  const temporary = join(tmpdir(), `safeconduct-${process.geteuid?.() ?? "user"}`)
  const lasting = account.isOther ? "/var/lib/safeconduct" : join(cache, "safeconduct")
  const reasons: unknown[] = []
  for (const path of isThrowaway ? [temporary, lasting] : account.isOther ? [lasting] : [lasting, temporary]) {
    try {
      ownFolder(path, 0o755)
      if (canReach(account, path)) return path
    } catch (error) {
      reasons.push(error)
    }
  }
  throw new Refusal("not-ready", "There is no folder that PostgreSQL's programs can be put in. Set DATABASE_URL.", {
    cause: new AggregateError(reasons),
  })
}
