import { execFile } from "node:child_process"
import { existsSync, lstatSync, mkdirSync, readdirSync, renameSync, rmSync, statSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import process from "node:process"
import { after } from "node:test"
import { promisify } from "node:util"
import {
  type EmbeddedPostgres,
  type PostgresVersion,
  randomText,
  refusalCode,
  removePostgres,
  silentLog,
  startPostgres,
} from "#kernel"

/** Everything that tests of this user leave on disk is in here. */
const SHELF = join(tmpdir(), `safeconduct-tests-${process.geteuid?.() ?? "user"}`)
/** Younger folders may belong to a process that is about to lock them. */
const ABANDONED_AFTER_MS = 60_000

const started = new Map<string, Promise<EmbeddedPostgres>>()

/** A throwaway cluster, one for each use and version in this process; gone after the file's last test. */
export function throwawayCluster(use: "own" | "resource", version: PostgresVersion): Promise<EmbeddedPostgres> {
  const name = `${use}-${version}`
  const cluster = started.get(name) ?? start(version)
  started.set(name, cluster)
  return cluster
}

/** Puts a stopped throwaway cluster into an empty folder: initdb takes half a second, a copy of what it made 30 ms. */
export async function fillFromTemplate(folder: string, version: PostgresVersion = 18): Promise<void> {
  openShelf()
  const template = await provideTemplate(version)
  if (!existsSync(join(template, "data"))) return
  await promisify(execFile)("cp", ["-a", join(template, "data"), join(template, "postgres.password"), folder])
}

async function start(version: PostgresVersion): Promise<EmbeddedPostgres> {
  openShelf()
  await sweep()
  const folder = join(SHELF, `run-${process.pid}-${randomText(8)}`)
  mkdirSync(folder, { mode: 0o711 })
  await fillFromTemplate(folder, version)
  return await startPostgres({ folder, version, isThrowaway: true, log: silentLog })
}

function openShelf(): void {
  mkdirSync(SHELF, { recursive: true, mode: 0o711 })
  const { uid, mode } = lstatSync(SHELF)
  // The name can be guessed, and a cluster's configuration can load a library.
  if (uid === (process.geteuid?.() ?? uid) && (mode & 0o022) === 0) return
  throw new Error(`${SHELF} is not this user's alone; remove it`)
}

/** A stopped cluster to copy, made once per version and user. */
async function provideTemplate(version: PostgresVersion): Promise<string> {
  const template = join(SHELF, `template-${version}`)
  if (existsSync(template)) return template
  const draft = join(SHELF, `run-${process.pid}-${randomText(8)}`)
  const made = await startPostgres({ folder: draft, version, isThrowaway: true, log: silentLog })
  await made.stop()
  try {
    renameSync(draft, template)
  } catch {
    // Another process was faster.
    await removePostgres(draft)
  }
  return template
}

/** Ends and removes what test processes that were killed left behind. */
async function sweep(): Promise<void> {
  for (const name of readdirSync(SHELF)) {
    const folder = join(SHELF, name)
    if (!name.startsWith("run-") || !isOld(folder)) continue
    const isAnothers = await removePostgres(folder).then(
      () => false,
      (error: unknown) => refusalCode(error) === "folder-in-use",
    )
    if (!isAnothers) rmSync(folder, { recursive: true, force: true })
  }
}

function isOld(folder: string): boolean {
  const { mtimeMs } = statSync(folder, { throwIfNoEntry: false }) ?? { mtimeMs: Date.now() }
  return mtimeMs < Date.now() - ABANDONED_AFTER_MS
}

async function stopAll(): Promise<void> {
  const all = await Promise.allSettled(started.values())
  started.clear()
  for (const each of all) {
    if (each.status === "rejected") continue
    await each.value.stop()
    await removePostgres(each.value.folder)
  }
}

// Registered while the file loads, outside of any test: runs after all of them.
after(stopAll)
