import { execFile } from "node:child_process"
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, statSync } from "node:fs"
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

async function start(version: PostgresVersion): Promise<EmbeddedPostgres> {
  mkdirSync(SHELF, { recursive: true, mode: 0o711 })
  await sweep()
  const template = await provideTemplate(version)
  const folder = join(SHELF, `run-${process.pid}-${randomText(8)}`)
  mkdirSync(folder, { mode: 0o711 })
  // initdb takes half a second, a copy of what it made takes 30 ms.
  if (existsSync(join(template, "data"))) {
    await promisify(execFile)("cp", ["-a", join(template, "data"), join(template, "postgres.password"), folder])
  }
  return await startPostgres({ folder, version, isThrowaway: true, log: silentLog })
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
