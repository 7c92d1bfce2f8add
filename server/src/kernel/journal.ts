import { lstatSync, mkdirSync } from "node:fs"
import { open, readdir, readFile, rename, rm, stat } from "node:fs/promises"
import { join } from "node:path"
import type { Json } from "./canonical.ts"
import type { Clock } from "./clock.ts"
import { type Id, isId, newId, randomText } from "./ids.ts"
import type { Log } from "./log.ts"
import { Refusal } from "./refusal.ts"

/** What is owed to the database: an entry of the log, and where there is one the command that is still to be carried out. */
export type Owing = { draft: { [name: string]: Json }; command: { [name: string]: Json } | null }

/** A line of the journal. Its id is the one that the entry will have, which is how it is entered once and no more. */
export type JournalLine = Owing & { id: Id<"entry"> /** When, by this machine's clock, RFC 3339. */; at: string }

/**
 * What was taken away while our database could not be told (invariant 9): files in a folder of this machine, each written
 * whole, synced, and then given its name, so that none is ever torn. Any process may read them, enter them and remove them.
 */
export interface Journal {
  /** Lines that were neither settled nor found to be gone, oldest first; also those that could not be written. */
  readonly pending: readonly JournalLine[]
  /** Durable when it resolves. Throws `not-recorded` when the folder cannot be written, or too much is owed already. */
  write(owing: Owing): Promise<JournalLine>
  /** Takes in what other processes, or an earlier one, wrote. */
  load(): Promise<void>
  /** The database has it. A crash before the file is gone does no harm: the line's entry is there. */
  settle(line: JournalLine): Promise<void>
  /** Writes and removes a file, as a line would be. Throws what stands in the way. */
  probe(): Promise<void>
  /** Files in the folder that hold no lines of ours: looked at by an operator, never removed. */
  readonly unreadable: readonly string[]
}

/** The folder is this deployment's alone; servers of one machine may share it. */
export type JournalParts = { folder: string; clock: Clock; log: Log }

/** Lines that are owed at the most; each is some hundred bytes in memory. */
const MAX_PENDING = 10_000
/** Lines in a file: what queued while the last one was synced. */
const MAX_LINES = 256
/** An unfinished file of this age was left by a crash. */
const ABANDONED_AFTER_MS = 60_000

type Waiting = { line: JournalLine; resolve: (line: JournalLine) => void; reject: (error: unknown) => void }

/** Opens the folder, or makes it, for this user alone. Throws `not-ready` when it cannot be written. */
export async function openJournal({ folder, clock, log }: JournalParts): Promise<Journal> {
  prepare(folder)
  const pending = new Map<string, JournalLine>()
  /** By line: its file, once it is in one. */
  const fileOf = new Map<string, string>()
  /** By file: lines in it that are not settled. */
  const left = new Map<string, Set<string>>()
  const unreadable = new Set<string>()
  let queue: Waiting[] = []
  let isWriting = false

  const keep = (name: string, lines: readonly JournalLine[]) => {
    left.set(name, new Set(lines.map(({ id }) => id)))
    for (const line of lines) {
      pending.set(line.id, line)
      fileOf.set(line.id, name)
    }
  }
  const drain = async () => {
    isWriting = true
    while (queue.length > 0) {
      const batch = queue.slice(0, MAX_LINES)
      queue = queue.slice(MAX_LINES)
      try {
        const name = `${batch[0]!.line.id}.jsonl`
        await writeWhole(folder, name, batch.map(({ line }) => `${JSON.stringify(line)}\n`).join(""))
        keep(
          name,
          batch.map(({ line }) => line),
        )
        for (const { line, resolve } of batch) resolve(line)
      } catch (cause) {
        log.error("the journal cannot be written; what was taken away is recorded nowhere yet", {
          folder,
          error: cause,
        })
        for (const { reject } of batch) reject(notRecorded(cause))
      }
    }
    isWriting = false
  }

  const journal: Journal = {
    get pending() {
      return [...pending.values()]
    },
    get unreadable() {
      return [...unreadable]
    },
    async write(owing) {
      const line = { id: newId("entry"), at: new Date(clock.nowMs()).toISOString(), ...owing }
      if (pending.size >= MAX_PENDING) throw notRecorded(new Error(`${MAX_PENDING} lines are owed already`))
      // Remembered even if it cannot be written: this process carries it out all the same, if it lives.
      pending.set(line.id, line)
      return await new Promise<JournalLine>((resolve, reject) => {
        queue.push({ line, resolve, reject })
        if (!isWriting) void drain()
      })
    },
    async load() {
      for (const name of await readdir(folder)) {
        if (left.has(name) || unreadable.has(name)) continue
        if (/\.(draft|probe)$/.test(name)) await removeAbandoned(join(folder, name))
        if (!name.endsWith(".jsonl")) continue
        const lines = await readLines(join(folder, name))
        if (lines === null) {
          unreadable.add(name)
          log.error("a file in the journal's folder holds no lines of a journal; it is left as it is", { folder, name })
        } else if (lines.length > 0) keep(name, lines)
      }
    },
    async settle({ id }) {
      pending.delete(id)
      const name = fileOf.get(id)
      fileOf.delete(id)
      if (name === undefined) return
      left.get(name)?.delete(id)
      if (left.get(name)?.size === 0) {
        // A crash before here leaves lines whose entries are in the log: whoever reads them finds that, and removes the file.
        await rm(join(folder, name), { force: true })
        left.delete(name)
      }
    },
    async probe() {
      const name = `${randomText(12)}.probe`
      await writeWhole(folder, name, "\n")
      await rm(join(folder, name), { force: true })
    },
  }
  try {
    await journal.probe()
  } catch (cause) {
    throw unusable(folder, cause)
  }
  return journal
}

function prepare(folder: string): void {
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 })
  } catch (cause) {
    throw unusable(folder, cause)
  }
  const { uid, mode } = lstatSync(folder)
  // Its lines are carried out: whoever may write here could end sessions in an operator's name.
  if (uid === (process.geteuid?.() ?? uid) && (mode & 0o022) === 0) return
  const what = `The journal's folder ${folder} can be written by others. Give it to the server's user, with mode 0700.`
  throw new Refusal("not-ready", what)
}

function unusable(folder: string, cause: unknown): Refusal {
  const what = `The journal's folder ${folder} cannot be written. Make room, or set SAFECONDUCT_JOURNAL_FOLDER to another.`
  return new Refusal("not-ready", what, { cause })
}

function notRecorded(cause: unknown): Refusal {
  const what =
    "Taken away here, but neither the database nor this server's journal could be written. Repeat it once one of them can."
  return new Refusal("not-recorded", what, { cause })
}

/** All of it under that name, or nothing; synced, and so is its name. */
async function writeWhole(folder: string, name: string, text: string): Promise<void> {
  const draft = join(folder, `${name}.draft`)
  try {
    const file = await open(draft, "wx", 0o600)
    try {
      await file.writeFile(text)
      await file.sync()
    } finally {
      await file.close()
    }
    // A crash here leaves a draft, and nobody was told.
    await rename(draft, join(folder, name))
  } catch (error) {
    await rm(draft, { force: true }).catch(() => undefined)
    throw error
  }
  const held = await open(folder, "r")
  try {
    await held.sync()
  } finally {
    await held.close()
  }
}

/** Null when the file holds anything but lines of a journal; none when another process has just removed it. */
async function readLines(path: string): Promise<JournalLine[] | null> {
  try {
    const lines = (await readFile(path, "utf8")).split("\n").filter((text) => text !== "")
    const parsed = lines.map((text) => JSON.parse(text) as JournalLine)
    return parsed.every(isLine) ? parsed : null
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "ENOENT" ? [] : null
  }
}

function isLine(value: unknown): value is JournalLine {
  const { id, at, draft, command } = (value ?? {}) as Partial<Record<keyof JournalLine, unknown>>
  const isObject = (each: unknown) => typeof each === "object" && each !== null && !Array.isArray(each)
  return (
    typeof id === "string" &&
    isId("entry", id) &&
    typeof at === "string" &&
    !Number.isNaN(Date.parse(at)) &&
    isObject(draft) &&
    (command === null || isObject(command))
  )
}

async function removeAbandoned(path: string): Promise<void> {
  const found = await stat(path).catch(() => null)
  if (found !== null && found.mtimeMs < Date.now() - ABANDONED_AFTER_MS) await rm(path, { force: true })
}
