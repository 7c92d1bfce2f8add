import { execFileSync } from "node:child_process"
import { statSync } from "node:fs"
import { dirname, resolve } from "node:path"
import process from "node:process"
import { Refusal } from "../refusal.ts"

/** The operating system's user that PostgreSQL runs as. */
export type Account = {
  uid: number
  gid: number
  /** True when it is not the user of this process, because that one is root and PostgreSQL refuses to run as root. */
  isOther: boolean
}

/** Users that may run PostgreSQL for root, the better one first. None is ever created. */
const FOR_ROOT = ["postgres", "nobody"]

/** This process's own user; for root an unprivileged one that exists. Throws `not-ready` when there is none. */
export function chooseAccount(): Account {
  const uid = process.geteuid?.() ?? -1
  const gid = process.getegid?.() ?? -1
  if (uid !== 0) return { uid, gid, isOther: false }
  for (const name of FOR_ROOT) {
    const [otherUid, otherGid] = [idOf("-u", name), idOf("-g", name)]
    if (otherUid !== null && otherUid !== 0 && otherGid !== null) return { uid: otherUid, gid: otherGid, isOther: true }
  }
  throw new Refusal(
    "not-ready",
    `PostgreSQL does not run as root, and there is neither a user ${FOR_ROOT.join(" nor ")}. Start as another user, or set DATABASE_URL.`,
  )
}

/** The account that made the data, so that a user added to the machine later does not change who may read it. */
export function accountOf(data: string, account: Account): Account {
  const owner = account.isOther ? statSync(data, { throwIfNoEntry: false }) : undefined
  return owner === undefined || owner.uid === 0 ? account : { uid: owner.uid, gid: owner.gid, isOther: true }
}

/** The options of child_process under which a program runs as the account, without anything of our environment. */
export function asAccount(account: Account) {
  return {
    // Our environment may hold keys; another user's process would show them in its own.
    env: { PATH: process.env["PATH"] ?? "/usr/bin:/bin", LC_ALL: "C", TZ: "UTC" },
    cwd: "/",
    ...(account.isOther ? { uid: account.uid, gid: account.gid } : {}),
  }
}

/** True when the account may enter the folder and every folder above it, by permission bits (access lists are not read). */
export function canReach(account: Account, folder: string): boolean {
  if (!account.isOther) return true
  let at = resolve(folder)
  for (;;) {
    const { uid, gid, mode } = statSync(at)
    const needed = uid === account.uid ? 0o100 : gid === account.gid ? 0o010 : 0o001
    if ((mode & needed) === 0) return false
    const above = dirname(at)
    if (above === at) return true
    at = above
  }
}

function idOf(flag: "-u" | "-g", name: string): number | null {
  try {
    const text = execFileSync("id", [flag, name], { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] })
    return Number(text)
  } catch {
    return null
  }
}
