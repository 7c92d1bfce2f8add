import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import {
  appendLeaves,
  emptyEdge,
  type LogReader,
  leafHash,
  type NoteVerifier,
  openCheckpoint,
  parseNoteVerifier,
} from "@safeconduct/tlog"
import { type Database, silentLog, systemClock } from "#kernel"
import { type TestDatabase, testDatabase } from "#testing"
import type { Draft } from "./change.ts"
import { createLogKey, openFileSigner } from "./file-signer.ts"
import { migrations } from "./index.ts"
import { type Audit, type AuditParts, openAudit } from "./open.ts"

/** Name of the log in this room's tests. */
export const origin = "example.org/log/1"

/** A log of its own for one test, and one server at it. */
export type TestAudit = AsyncDisposable & {
  store: TestDatabase
  audit: Audit
  verifier: NoteVerifier
  /** Where the log key is. */
  keyPath: string
  /** Opens one more server at the same log; `keyPath` elsewhere makes it one of another host. */
  another(parts?: Partial<AuditParts> & { keyPath?: string }): Promise<Audit>
}

/** Opens a new, empty log. Sweeps only when told. */
export async function openTestAudit(parts: Partial<AuditParts> = {}): Promise<TestAudit> {
  const store = await testDatabase({ rooms: [migrations] })
  const folder = await mkdtemp(join(tmpdir(), "safeconduct-audit-"))
  const keyPath = join(folder, "log.key")
  const { vkey } = await createLogKey(keyPath, origin)
  const opened: Audit[] = []
  const another: TestAudit["another"] = async ({ keyPath: otherPath, ...more } = {}) => {
    const audit = await openTestLog(store.database, otherPath ?? keyPath, { ...parts, ...more })
    opened.push(audit)
    return audit
  }
  return {
    store,
    audit: await another(),
    verifier: parseNoteVerifier(vkey),
    keyPath,
    another,
    async [Symbol.asyncDispose]() {
      for (const audit of opened) await audit[Symbol.asyncDispose]()
      await store[Symbol.asyncDispose]()
      await rm(folder, { recursive: true })
    },
  }
}

/** Opens a server at a log, with the events of these tests. */
export async function openTestLog(
  database: Database,
  keyPath: string,
  parts: Partial<AuditParts> = {},
): Promise<Audit> {
  return await openAudit({
    database,
    clock: systemClock,
    log: silentLog,
    signer: await openFileSigner(keyPath, origin),
    origin,
    events: { "test.happened": "Something happened.", "test.begun": "Something began." },
    sweepMs: 3_600_000,
    checkpointMs: 0,
    ...parts,
  })
}

/** A change of nothing but the log: `count` entries. */
export function happened(count = 1, more: Partial<Draft> = {}): { entries: () => Draft[] } {
  const draft: Draft = { event: "test.happened", by: "server", ...more }
  return { entries: () => Array.from({ length: count }, () => draft) }
}

/** The tree over all leaves in the database, computed from nothing else. */
export async function recompute(database: Database): Promise<{ size: number; root: Buffer }> {
  const rows = await database.query<{ index: number; leaf: Buffer }>(
    "select index, leaf from audit.entries order by index",
  )
  if (rows.some(({ index }, at) => index !== at)) throw new Error("the entries have a gap")
  return {
    size: rows.length,
    root: Buffer.from(
      appendLeaves(
        emptyEdge(),
        rows.map(({ leaf }) => leafHash(leaf)),
      ).root,
    ),
  }
}

/** Size and root of the newest checkpoint, its signature verified. */
export async function newestSigned(audit: Audit, verifier: NoteVerifier): Promise<{ size: number; root: Buffer }> {
  const { size, root } = await openCheckpoint(await audit.checkpoint(), verifier)
  return { size, root: Buffer.from(root) }
}

/** The log as anybody outside reads it: files by path. */
export function readerOf(audit: Audit): LogReader {
  return {
    async read(path) {
      if (path === "checkpoint") return Buffer.from(await audit.checkpoint())
      return (await audit.tile(path))?.bytes ?? null
    },
  }
}
