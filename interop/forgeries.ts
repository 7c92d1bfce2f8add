/**
 * What somebody may do to an exported log, without its signing key and with it, and what `safeconduct audit verify` has to
 * find. Each is made on a copy; `older` is the checkpoint that the verifier kept.
 */
import { randomInt } from "node:crypto"
import { cp, readdir, readFile, rm, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { encodeEntries, exportLog, openCheckpoint, parseNoteVerifier, readEntries, tilePath } from "@safeconduct/tlog"
import { folderReader, folderWriter } from "@safeconduct/tlog/folder"
import { workplace } from "../cli/src/testing/run.ts"
import { memoryLog } from "../tlog/src/testing/memory-log.ts"
import type { RealLog } from "./real-log.ts"

/** One of them. */
export type Forgery = {
  what: string
  /** Code of a problem that must be reported; any will do for a flipped byte. */
  finds?: string
  /** Nothing is wrong with it but that it is not what was signed before: without the older checkpoint it verifies. */
  isSoundAlone?: true
  /** Changes the copy. Answers with what it did, and with another older checkpoint than the one kept, where that is the point. */
  make(log: RealLog, copy: string): Promise<{ detail?: string; older?: string }>
}

/** Files by what they hold; a flipped byte is tried in each. */
const PARTS = ["checkpoint", "tile/0", "tile/1", "tile/entries"]

/** Flipped bytes, `count` in each part of the log, at random. */
export function flips(count: number): Forgery[] {
  return PARTS.flatMap((part) =>
    Array.from({ length: count }, () => ({
      what: `a flipped byte in ${part}`,
      make: async (_log: RealLog, copy: string) => ({ detail: await flip(copy, part) }),
    })),
  )
}

/** Everything else. */
export const forgeries: Forgery[] = [
  {
    what: "the newest entry cut from its bundle",
    finds: "entries-malformed",
    make: (log, copy) => inLastBundle(log, copy, (bundle) => bundle.slice(0, -1)),
  },
  {
    what: "two entries swapped",
    finds: "entry-moved",
    make: (log, copy) => inLastBundle(log, copy, swapped),
  },
  {
    what: "the whole log put back to an older checkpoint that was really signed",
    finds: "entries-dropped",
    async make(log, copy) {
      const kept = join(copy, "..", "kept")
      await cp(join(log.folder, "checkpoint"), kept)
      await rewrite(log, copy, (entries, older) => entries.slice(0, older))
      await cp(log.older, join(copy, "checkpoint"))
      return { older: kept }
    },
  },
  {
    what: "the newest entries dropped, signed again with the stolen key",
    finds: "entries-dropped",
    isSoundAlone: true,
    make: (log, copy) => rewrite(log, copy, (entries, older) => entries.slice(0, older - 1)),
  },
  {
    what: "two entries swapped, signed again with the stolen key",
    finds: "history-rewritten",
    isSoundAlone: true,
    make: (log, copy) => rewrite(log, copy, swapped),
  },
  {
    what: "an entry taken out of the middle, signed again with the stolen key",
    finds: "history-rewritten",
    isSoundAlone: true,
    make: (log, copy) => rewrite(log, copy, (entries, older) => entries.toSpliced(older >> 1, 1)),
  },
  {
    what: "an entry invented, signed again with the stolen key",
    finds: "history-rewritten",
    isSoundAlone: true,
    make: (log, copy) => rewrite(log, copy, (entries, older) => entries.with(older >> 1, entries[0]!)),
  },
  {
    what: "an older checkpoint that another log's key signed",
    finds: "older-checkpoint-refused",
    async make(_log, copy) {
      const older = join(copy, "..", "other")
      await writeFile(older, await (await memoryLog([Buffer.from("another log's")])).checkpoint(1))
      return { older }
    },
  },
  {
    what: "an older checkpoint of other entries under the same key",
    finds: "history-rewritten",
    async make(log, copy) {
      const older = join(copy, "..", "other")
      await writeFile(older, await (await memoryLog([Buffer.from("another log's")], log.signer)).checkpoint(1))
      return { older }
    },
  },
]

/** What `safeconduct audit verify` said: exit status, and codes of problems. */
export type Verdict = { code: number | null; problems: string[]; detail?: string }

/** Makes a forgery and has the command look at it, as its user would: with the key and the older checkpoint, in files. */
export async function verifyForged(log: RealLog, forgery: Forgery, knowsOlder = true): Promise<Verdict> {
  using place = workplace()
  const copy = join(place.folder, "log")
  await cp(log.folder, copy, { recursive: true })
  const { detail, older } = await forgery.make(log, copy)
  const verdict = await verify(place, copy, log.key, knowsOlder ? (older ?? log.older) : null)
  return { ...verdict, ...(detail !== undefined && { detail }) }
}

/** The command over the untouched export. */
export async function verifyExport(log: RealLog, older: string | null = log.older): Promise<Verdict> {
  using place = workplace()
  return await verify(place, log.folder, log.key, older)
}

async function verify(
  { run }: ReturnType<typeof workplace>,
  folder: string,
  key: string,
  older: string | null,
): Promise<Verdict> {
  const kept = older === null ? [] : ["--older", older]
  const { code, rows } = await run(["audit", "verify", folder, "--key", key, ...kept, "--no-remember", "--json"])
  const problems = (rows[0]?.["problems"] ?? []) as { code: string }[]
  return { code, problems: problems.map((problem) => problem.code) }
}

/** One bit of one byte, anywhere in a file of this part. */
async function flip(copy: string, part: string): Promise<string> {
  const path = await anyFile(copy, part)
  const content = await readFile(join(copy, path))
  const [at, bit] = [randomInt(content.length), randomInt(8)]
  content[at]! ^= 1 << bit
  await writeFile(join(copy, path), content)
  return `${path}, byte ${at}, bit ${bit}`
}

async function anyFile(copy: string, part: string): Promise<string> {
  if (!part.includes("/")) return part
  const found = await readdir(join(copy, part), { recursive: true, withFileTypes: true })
  const files = found.filter((entry) => entry.isFile())
  const file = files[randomInt(files.length)]!
  return join(file.parentPath, file.name).slice(copy.length + 1)
}

/** Rewrites the newest bundle of entries; checkpoint and tiles stay. */
async function inLastBundle(log: RealLog, copy: string, change: (bundle: Uint8Array[]) => Uint8Array[]) {
  const index = Math.floor((log.size - 1) / 256)
  const width = log.size - index * 256
  const bundle = await readEntries(folderReader(copy), index, width)
  await folderWriter(copy).write(tilePath("entries", index, width), encodeEntries(change(bundle)))
  return {}
}

/** Writes another log over the copy, tiles and all, signed by the server's own key. */
async function rewrite(
  log: RealLog,
  copy: string,
  change: (entries: Uint8Array[], older: number) => Uint8Array[],
): Promise<object> {
  const reader = folderReader(copy)
  const older = await openCheckpoint(await readFile(log.older), parseNoteVerifier(log.signer.vkey))
  const entries: Uint8Array[] = []
  for (let index = 0; index * 256 < log.size; index++) {
    entries.push(...(await readEntries(reader, index, Math.min(256, log.size - index * 256))))
  }
  const forged = await memoryLog(change(entries, older.size), log.signer)
  await rm(copy, { recursive: true })
  await exportLog(forged.io, folderWriter(copy))
  return {}
}

/** The first two change places. */
function swapped([first, second, ...rest]: Uint8Array[]): Uint8Array[] {
  return [second!, first!, ...rest]
}
