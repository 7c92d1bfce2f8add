import { execFile } from "node:child_process"
import {
  chownSync,
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs"
import { dirname, join } from "node:path"
import { promisify } from "node:util"
import { base64url, random } from "../bytes.ts"
import { randomText } from "../ids.ts"
import { Refusal } from "../refusal.ts"
import { type Account, asAccount } from "./account.ts"
import type { PostgresVersion } from "./binaries.ts"

/** The data of one cluster, and what opens it. */
export type Cluster = { data: string; password: string }

/** Where a cluster is made, with which programs, and as whom. */
export type ClusterParts = {
  /** Our folder, with the passwords. */
  folder: string
  /** Where the data lives; the same folder, except for root. */
  place: string
  /** Folder of `initdb`. */
  binaries: string
  version: PostgresVersion
  account: Account
  isThrowaway: boolean
}

/** The superuser's name in every cluster of ours. */
export const SUPERUSER = "postgres"

/** Makes the cluster, or takes the one that is there. Throws `not-ready` for data of another major version. */
export async function provideCluster(parts: ClusterParts): Promise<Cluster> {
  const { folder, place, version } = parts
  const data = join(place, "data")
  for (const name of readdirSync(place)) {
    if (name.startsWith("draft-")) rmSync(join(place, name), { recursive: true, force: true })
  }
  const password = providePassword(folder, SUPERUSER)
  if (!existsSync(data)) await initialise(parts, data, password)
  const found = Number.parseInt(readFileSync(join(data, "PG_VERSION"), "utf8"), 10)
  if (found === version) return { data, password }
  throw new Refusal("not-ready", `The data in ${data} was made by PostgreSQL ${found}, and this is ${version}.`)
}

/** The password that a role has in this cluster: random, made once, and kept in a file that only we can read. */
export function providePassword(folder: string, role: string): string {
  const path = join(folder, `${role}.password`)
  if (existsSync(path)) return readFileSync(path, "utf8").trim()
  const password = base64url(random(32))
  const draft = `${path}.${randomText(12)}`
  const file = openSync(draft, "wx", 0o600)
  writeFileSync(file, `${password}\n`)
  fsyncSync(file)
  closeSync(file)
  // A crash here leaves a draft that nothing reads.
  renameSync(draft, path)
  syncFolder(dirname(path))
  return password
}

async function initialise(parts: ClusterParts, data: string, password: string): Promise<void> {
  const { place, binaries, account, isThrowaway } = parts
  const draft = join(place, `draft-${randomText(12)}`)
  const passwordFile = join(draft, "password")
  mkdirSync(draft, { mode: 0o700 })
  writeFileSync(passwordFile, password, { mode: 0o600 })
  if (account.isOther) for (const path of [draft, passwordFile]) chownSync(path, account.uid, account.gid)
  const flags = ["--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--no-instructions"]
  // Small segments: a cluster that lives for seconds should not write 16 MiB of log first.
  if (isThrowaway) flags.push("--no-sync", "--wal-segsize=1")
  try {
    const made = join(draft, "data")
    await promisify(execFile)(
      join(binaries, "initdb"),
      [`--pgdata=${made}`, `--username=${SUPERUSER}`, `--pwfile=${passwordFile}`, ...flags],
      asAccount(account),
    )
    // A crash before here leaves a draft; the next start removes it.
    renameSync(made, data)
    if (!isThrowaway) syncFolder(place)
  } catch (cause) {
    throw new Refusal("not-ready", `PostgreSQL could not make its data folder ${data}.`, { cause })
  } finally {
    rmSync(draft, { recursive: true, force: true })
  }
}

function syncFolder(path: string): void {
  const folder = openSync(path, "r")
  try {
    fsyncSync(folder)
  } finally {
    closeSync(folder)
  }
}
