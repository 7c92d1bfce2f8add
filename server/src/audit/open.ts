import { emptyEdge } from "@safeconduct/tlog"
import { type Clock, countEntries, createBatch, type Database, type Log, Refusal, refusalCode, traced } from "#kernel"
import { createAppender } from "./append.ts"
import type { Change, Draft, Recorded } from "./change.ts"
import { keepCheckpoints } from "./checkpoints.ts"
import { type Erasure, erase, finishErasures } from "./erase.ts"
import { events as ownEvents } from "./events.ts"
import { missingOutcomes } from "./intents.ts"
import { writeLeaf } from "./leaf.ts"
import { findClosed, lastCheckpointOf } from "./logs/closed.ts"
import { type LogKeys, openLogKeys } from "./logs/keys.ts"
import { type LogListing, listLogs, numberOf, wasClosed } from "./logs/listing.ts"
import {
  countSince,
  type EntryPage,
  type EntryQuery,
  type EntryView,
  type NewestQuery,
  readEntries,
  readEntry,
  readNewest,
  readTile,
  type ServedTile,
} from "./read.ts"
import { prove } from "./receipt.ts"
import type { LogSigner } from "./signer.ts"
import { hasOverdueIntents, newestCheckpoint, readHead, readPowers } from "./store.ts"
import { readEdge } from "./tree.ts"

/** The log's door for other rooms: one way to change and record, and the ways to read and prove what was recorded. */
export interface Audit extends AsyncDisposable {
  /** Commits the change and its entries; resolves when durable. Throws what the work threw, `overloaded`, `store-unavailable`, `log-forked`. */
  commit<Result>(change: Change<Result>): Promise<{ result: Result; entries: Recorded[]; epoch: number }>
  /** C2SP tlog-proof of the entry; waits up to two seconds for a checkpoint that covers it. Throws `not-found`, `not-ready`. */
  receipt(entryId: string): Promise<string>
  /** Entries in the log's order, at most 256 at a time. */
  entries(query: EntryQuery): Promise<EntryPage>
  /** The newest entries of a session of this log, of these events, newest first. */
  newest(query: NewestQuery): Promise<EntryView[]>
  /** How many entries of these events this log has since then, to within a clock's difference between servers. */
  count(events: readonly string[], since: Date): Promise<number>
  /** One entry, with its personal values unless they were erased. Throws `not-found`. */
  entry(entryId: string): Promise<EntryView>
  /** A hash tile or a bundle of entries by its C2SP path, such as `tile/0/x001/067.p/8`; null when the log does not reach it. */
  tile(path: string, log?: number): Promise<ServedTile | null>
  /** The newest checkpoint of any server, a signed note. Throws `not-ready` before the first, `not-found` for a log that is not. */
  checkpoint(log?: number): Promise<string>
  /** This log and those that were closed before it, the newest first, with the keys of each. */
  logs(): Promise<LogListing[]>
  /** Records the erasure of an entry's personal values, then erases them. Idempotent. Throws `not-found`. */
  erase(erasure: Erasure): Promise<Recorded>
  /** Records `audit.outcome-missing` for intents past their deadline, once each; returns for how many. Runs by itself each second. */
  sweepIntents(): Promise<number>
  /** Name of the log and of its key. */
  readonly origin: string
  /** The log's number. */
  readonly log: number
  /** The public key that checkpoints verify with (C2SP signed-note); the newest while one takes over from another. */
  readonly vkey: string
  /** Keys that checkpoints are signed with. */
  readonly keys: LogKeys
  /** Changes that wait for their commit now. */
  readonly queued: number
  /** Why nothing is committed any more: the log in the database is not the one that was signed. Null while all is well. */
  readonly fork: Refusal | null
}

/** What the log stands on. */
export type AuditParts = {
  database: Database
  clock: Clock
  log: Log
  signer: LogSigner
  /** `<trust domain>/log/<n>`, n from 1. */
  origin: string
  /** Every room's events; what is not named in one is a mistake of ours and is not recorded. */
  events: { readonly [name: string]: string }
  /** Milliseconds between sweeps. */
  sweepMs?: number
  /** Least time between two checkpoints. */
  checkpointMs?: number
  /** Changes that share a transaction at most; as createBatch has it unless told. */
  maxUnits?: number | undefined
}

/**
 * Opens the log, compares it with what was signed, and signs what a crash left unsigned. A log that was altered opens too,
 * to be looked at, and commits nothing. Throws `not-ready` when connected as a role that could rewrite it,
 * `key-unusable` when the signer is another log's.
 */
export async function openAudit(parts: AuditParts): Promise<Audit> {
  const { database, log, signer, origin } = parts
  await refuseOwner(database)
  const number = numberOf(origin)
  const keys = await openLogKeys({ database, signer, log: number })
  await prepareSigner(parts)
  const known = new Set([...Object.keys(ownEvents), ...Object.keys(parts.events)])
  let fork: Refusal | null = null

  const onForked = (refusal: Refusal) => {
    if (fork !== null) return
    fork = refusal
    log.error("the log was altered: nothing is committed from now on", { error: refusal, origin })
  }
  /** Passes errors on; one of them also ends all committing. */
  const watching = async <T>(work: Promise<T>): Promise<T> => {
    try {
      return await work
    } catch (error) {
      if (error instanceof Refusal && refusalCode(error) === "log-forked") onForked(error)
      throw error
    }
  }
  const refuseWhenForked = () => {
    if (fork !== null) throw new Refusal("log-forked", fork.message, { cause: fork })
  }
  const write = (draft: Draft) => {
    if (!known.has(draft.event)) throw new TypeError(`${draft.event} is in no room's events.ts`)
    return writeLeaf(draft, parts.clock.nowMs())
  }

  const found = await watching(readHead(database).then((head) => readEdge(database, head))).catch((error: unknown) => {
    if (fork === null) throw error
    return emptyEdge()
  })
  const appender = createAppender(found)
  const batch = createBatch({
    database,
    maxUnits: parts.maxUnits,
    lock: appender.lock,
    append: async (tx, entries: ReturnType<typeof writeLeaf>[]) => {
      refuseWhenForked()
      return await watching(appender.append(tx, entries))
    },
    appendAlone: async (alone, entries) => {
      refuseWhenForked()
      return await watching(appender.appendAlone(alone, entries))
    },
  })
  const checkpoints = keepCheckpoints({ database, signer, log, onForked, pauseMs: parts.checkpointMs ?? 100 })

  const commit: Audit["commit"] = async <Result>({ shared, work, entries }: Change<Result>) => {
    refuseWhenForked()
    // What depends on nothing is written now, so that an entry too large is refused before it joins a batch.
    const written = work === undefined ? entries(undefined as Result).map(write) : null
    let items = written
    const unit = {
      ...(shared && { shared }),
      ...(work && { work }),
      items: (result: Result) => (items = written ?? entries(result).map(write)),
    }
    const { result, receipts, epoch } = await traced("audit.commit", {}, () => batch.commit(unit))
    appender.confirm(receipts)
    countEntries((items ?? []).map(({ event }) => event))
    // A crash here leaves entries without a checkpoint; the next start, or another server's second, signs them.
    checkpoints.request()
    return { result, entries: receipts, epoch }
  }
  const sweepIntents = async () =>
    (await hasOverdueIntents(database)) ? (await commit(missingOutcomes)).entries.length : 0
  const signLeftOver = async () => {
    if ((await readHead(database)).size !== checkpoints.newest?.size) checkpoints.request()
  }

  await checkpoints.begin()
  // On a log that was altered an entry tells of nothing, and may not even be read.
  if (fork === null) await finishErasures(database)
  const stopSweeping = repeat(
    parts.sweepMs ?? 1_000,
    async () => {
      if (fork === null) await Promise.all([sweepIntents(), signLeftOver()])
      else fork = (await wasClosed(database, number)) ?? fork
    },
    (error) => log.warn("the log's upkeep failed and is tried again", { error }),
  )

  return {
    origin,
    log: number,
    keys,
    get vkey() {
      return keys.inForce().at(-1)!
    },
    get fork() {
      return fork
    },
    get queued() {
      return batch.queued
    },
    commit,
    sweepIntents,
    receipt: (entryId) => watching(prove({ database, checkpoints }, entryId)),
    entries: (query) => readEntries(database, query),
    newest: (query) => readNewest(database, query),
    count: (events, since) => countSince(database, events, since),
    entry: (entryId) => readEntry(database, entryId),
    async tile(path, closed = number) {
      if (closed === number) return await watching(readTile(database, path))
      return await readTile(database, path, await findClosed(database, closed))
    },
    async checkpoint(closed = number) {
      if (closed === number) return checkpointOrRefusal(await newestCheckpoint(database))
      return await lastCheckpointOf(database, await findClosed(database, closed))
    },
    logs: () => listLogs(database, origin),
    erase: (erasure) => erase({ database, commit }, erasure),
    async [Symbol.asyncDispose]() {
      await stopSweeping()
      await checkpoints[Symbol.asyncDispose]()
    },
  }
}

/** The server's role appends. One that could also rewrite would make every later check worth nothing. */
async function refuseOwner(database: Database): Promise<void> {
  const { isOwner, canRewrite } = await readPowers(database)
  if (!isOwner && !canRewrite) return
  throw new Refusal("not-ready", "The server connects as a role that could rewrite the log. Give it the server's role.")
}

async function prepareSigner({ database, signer, origin }: AuditParts): Promise<void> {
  if (signer.origin !== origin) {
    throw new Refusal("key-unusable", `The log key is of ${signer.origin}, and this log is ${origin}.`)
  }
  if ((await signer.lastSigned()) !== null) return
  const note = await newestCheckpoint(database)
  if (note !== null) await signer.adopt(note)
}

function checkpointOrRefusal(note: string | null): string {
  if (note === null) throw new Refusal("not-ready", "The log has no checkpoint yet. Try again in a moment.")
  return note
}

/** Does it again and again, with a pause between. Returns what stops it and waits for the one under way. */
function repeat(pauseMs: number, work: () => Promise<void>, onError: (error: unknown) => void): () => Promise<void> {
  let isStopped = false
  let running: Promise<void> = Promise.resolve()
  const again = () => {
    running = work()
      .catch(onError)
      .finally(() => {
        if (!isStopped) timer = setTimeout(again, pauseMs)
      })
  }
  let timer = setTimeout(again, pauseMs)
  return async () => {
    isStopped = true
    clearTimeout(timer)
    await running
  }
}
