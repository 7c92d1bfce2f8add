import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  writeFileSync,
} from "node:fs"
import { homedir, tmpdir } from "node:os"
import { dirname, isAbsolute, join, resolve } from "node:path"
import process from "node:process"
import { fingerprint } from "../bytes.ts"
import { Refusal } from "../refusal.ts"
import { type Account, canReach } from "./account.ts"

/** File in the wished folder that says where the data is, when it is not there; and the one there that points back. */
const POINTER = "data-is-in"
const BACK = "folder-is"

/**
 * The wished folder, made where it is missing so that PostgreSQL's user can pass through it as far as its parents let it.
 * Throws `not-ready` when it is another user's, or open to others.
 */
export function wishedFolder(path: string, account: Account): string {
  const folder = resolve(path)
  if (!existsSync(folder)) {
    mkdirSync(dirname(folder), { recursive: true })
    make(folder, account.isOther && canReach(account, dirname(folder)) ? 0o711 : 0o700)
  }
  return realpathSync(checkOwn(folder))
}

/** A folder of ours, made or found, that PostgreSQL's user may pass through. Throws `not-ready` when others may write to it. */
export function ownFolder(path: string, mode: 0o711 | 0o755): string {
  mkdirSync(dirname(path), { recursive: true })
  make(path, mode)
  checkOwn(path)
  // Found with less, it was just made by another process that has not yet said so, or made under a strict mask.
  if ((lstatSync(path).mode & mode) !== mode) chmodSync(path, mode)
  return path
}

/** A folder that another local user prepared could hold a program for us to run, or take the place of our data. */
export function checkOwn(path: string): string {
  const seen = lstatSync(path)
  const isOurs = seen.isDirectory() && seen.uid === (process.geteuid?.() ?? seen.uid) && (seen.mode & 0o022) === 0
  if (isOurs) return path
  throw new Refusal("not-ready", `${path} is not a folder of this user alone. Remove it, or fix its owner and mode.`)
}

/**
 * Where a cluster's data lives: the wished folder, or, where PostgreSQL's user cannot reach that, one of ours keyed by
 * the wished folder's name. Throws `not-ready` rather than begin a second, empty cluster beside lost data.
 */
export function placeOf(folder: string, account: Account, isThrowaway: boolean): string {
  const pointed = pointedPlace(folder)
  if (pointed !== null) {
    if (existsSync(join(pointed, "data"))) return checkOwn(pointed)
    const pointer = join(folder, POINTER)
    throw new Refusal("not-ready", `The data is gone from ${pointed}. Restore it, or remove ${pointer} to begin anew.`)
  }
  if (canReach(account, folder)) return folder
  if (existsSync(join(folder, "data"))) {
    throw new Refusal(
      "not-ready",
      `PostgreSQL's user cannot reach ${folder} any more. Let others pass the folders above.`,
    )
  }
  const clusters = ownFolder(join(sharedFolder(account, isThrowaway), "clusters"), 0o755)
  return ownFolder(join(clusters, freeName(clusters, fingerprint(folder).slice(0, 32))), 0o711)
}

/**
 * A place that points back at a folder which does not point to it belonged to a folder of the same name that was deleted,
 * and the password with it: its data is nobody's any more, and the folder begins anew beside it.
 */
function freeName(clusters: string, name: string): string {
  let free = name
  for (let nth = 2; existsSync(join(clusters, free, BACK)); nth++) free = `${name}-${nth}`
  return free
}

/** Where the folder says that its data is; null when it says nothing. */
export function pointedPlace(folder: string): string | null {
  const pointer = join(folder, POINTER)
  return existsSync(pointer) ? readFileSync(pointer, "utf8").trim() : null
}

/** Says in the folder where its data is; called when there is data. */
export function leavePointer(folder: string, place: string): void {
  // A crash before here leaves data that the next start finds, because its place follows from the folder's name.
  if (place === folder) return
  writeFileSync(join(place, BACK), `${folder}\n`, { mode: 0o600 })
  writeFileSync(join(folder, POINTER), `${place}\n`, { mode: 0o600 })
}

/** Places beside this one whose wished folder is gone: nobody has the password to what is in them. */
export function orphansBeside(place: string): string[] {
  return readdirSync(dirname(place))
    .map((name) => join(dirname(place), name))
    .filter((each) => {
      const back = join(each, BACK)
      return each !== place && existsSync(back) && !existsSync(readFileSync(back, "utf8").trim())
    })
}

/** A folder for what clusters share (programs), which the account can reach and nobody else can change. */
export function sharedFolder(account: Account, isThrowaway: boolean): string {
  const wished = process.env["XDG_CACHE_HOME"] ?? ""
  const cache = isAbsolute(wished) ? wished : join(homedir(), ".cache")
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

function make(path: string, mode: number): void {
  try {
    mkdirSync(path, { mode: 0o700 })
    // The mask of the process must not decide who can reach it.
    chmodSync(path, mode)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error
  }
}
