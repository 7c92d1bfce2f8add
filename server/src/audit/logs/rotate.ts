import { emptyEdge, LogError, openCheckpoint, parseNoteVerifier } from "@safeconduct/tlog"
import { type Clock, type Database, Refusal, refusalCode, type Transaction } from "#kernel"
import { createAppender } from "../append.ts"
import type { Draft } from "../change.ts"
import { writeLeaf } from "../leaf.ts"
import { type LogSigner, nextHead } from "../signer.ts"
import { insertCheckpoint, lockHead, newestCheckpoint, type TreeHead } from "../store.ts"
import { treeIn } from "../tree.ts"
import { numberOf } from "./listing.ts"
import { closeLog, insertLogKey, lockLogs, readKeysInForce, readLogKeys, readLogNumber, trustNoPath } from "./store.ts"

/** What a log is begun with, after another. */
export type NextLogParts = {
  /** Connected as the database's owner: the server's role could not do this. */
  owner: Database
  serverRole: string
  clock: Clock
  /** Of the log that ends: says what of it was signed. */
  signer: LogSigner
  /** Of the log that begins. Asked for when the old one is to end, and not before. */
  next: () => Promise<LogSigner>
  /** For the record. */
  reason: string
}

/** The same where the key of the log that ends is lost: its name, and the last tree that this host remembers as signed. */
export type KeylessParts = Omit<NextLogParts, "signer"> & { origin: string; lastSigned: TreeHead | null }

/** A log that was begun, and what the one before ended with; `signed` is null when nothing of that was ever signed. */
export type BegunLog = {
  log: number
  origin: string
  vkey: string
  before: { log: number; kept: number; signed: number | null; why: string }
}

/**
 * Closes a log that is not the one that was signed, and begins the next: its first entry holds the last checkpoint of the
 * old one and what the database kept of it. The old entries stay where they can be read and proven. Servers that run have
 * to be restarted. Throws `log-not-forked`, `key-unusable`, `store-unavailable`.
 */
export async function beginAfterFork(parts: NextLogParts): Promise<BegunLog> {
  return await begin(parts, keptBy(parts.signer), (fork) => {
    if (fork !== null) return fork.message
    const what = "The log is whole: it contains everything that was signed, and goes on."
    throw new Refusal("log-not-forked", `${what} To end it nevertheless, say so: --close-a-whole-log.`)
  })
}

/** Closes a log although nothing is wrong with it, signed to its end. Throws `log-forked` when something is. */
export async function closeWholeLogAndBeginNext(parts: NextLogParts): Promise<BegunLog> {
  return await begin(parts, keptBy(parts.signer), (fork) => {
    if (fork !== null) throw fork
    return "It was closed whole."
  })
}

/**
 * Begins the next log although nothing can be signed for the old one any more: what was committed after its last checkpoint
 * stays unproven for ever, and that its key was lost is in the first entry, for auditors to judge. Throws `key-unusable`,
 * `store-unavailable`.
 */
export async function beginWithoutTheOldKey(parts: KeylessParts): Promise<BegunLog> {
  const lost: Past = {
    origin: parts.origin,
    isKeyLost: true,
    async lastSigned(tx) {
      const newest = await newestSigned(tx, numberOf(parts.origin))
      return parts.lastSigned === null || (newest !== null && newest.size >= parts.lastSigned.size)
        ? newest
        : { ...parts.lastSigned, note: null }
    },
    end: (tx) => lost.lastSigned(tx),
  }
  return await begin(
    parts,
    lost,
    (fork) => `Its key was lost. ${fork?.message ?? "It contains what was signed of it."}`,
  )
}

/** The log that ends, as far as somebody remembers what was signed of it; `note` is null where only the tree is known. */
type Past = {
  origin: string
  isKeyLost: boolean
  lastSigned(tx: Transaction): Promise<Signed | null>
  /** What the next log is to say was signed at last; signs to the end where nothing is in the way. */
  end(tx: Transaction, fork: Refusal | null): Promise<Signed | null>
}

type Signed = TreeHead & { note: string | null }

function keptBy(signer: LogSigner): Past {
  return {
    origin: signer.origin,
    isKeyLost: false,
    async lastSigned(tx) {
      // A key that never was in force, or is not any more, would close the log with a signature that nobody trusts.
      const inForce = await readKeysInForce(tx, numberOf(signer.origin))
      if (inForce.length > 0) signer.signWith(inForce)
      const note = await newestCheckpoint(tx)
      if (note !== null && (await signer.lastSigned()) === null) await signer.adopt(note)
      return await signer.lastCheckpoint()
    },
    async end(tx, fork) {
      if (fork !== null) return await signer.lastCheckpoint()
      const signed = await signer.sign(treeIn(tx))
      await insertCheckpoint(tx, signed, signed.note)
      return signed
    },
  }
}

type Judge = (fork: Refusal | null) => string

async function begin(parts: Omit<NextLogParts, "signer">, past: Past, judge: Judge): Promise<BegunLog> {
  const { owner, clock } = parts
  const { signed, ...begun } = await owner.transaction(async (tx) => {
    await trustNoPath(tx)
    await lockLogs(tx)
    const kept = await lockHead(tx)
    await requireCurrent(tx, past.origin)
    const fork = await forkOf(await past.lastSigned(tx), tx)
    const why = judge(fork)
    const last = await past.end(tx, fork)
    const next = await parts.next()
    const log = numberOf(next.origin)
    const closed = await closeLog(tx, log, parts.serverRole)
    const vkey = next.held()[0]!
    next.signWith([vkey])
    await insertLogKey(tx, vkey, log)
    const first = firstEntry(past, { log, vkey, closed, kept, last, why, reason: parts.reason })
    await createAppender(emptyEdge()).append(tx, [writeLeaf(first, clock.nowMs())])
    const before = { log: closed, kept: kept.size, signed: last?.size ?? null, why }
    return { log, origin: next.origin, vkey, before, signed: next }
  })
  // A crash here leaves a log of one entry without a checkpoint; the next start of a server signs it.
  const checkpoint = await signed.sign(treeIn(owner))
  await insertCheckpoint(owner, checkpoint, checkpoint.note)
  return begun
}

/** Another rotation may have been faster: its log is not the one that was looked at. */
async function requireCurrent(tx: Transaction, origin: string): Promise<void> {
  const current = await readLogNumber(tx)
  if (current === numberOf(origin)) return
  throw new Refusal("log-not-forked", `Log ${current} was begun meanwhile. Look at it before you end that one as well.`)
}

/** The newest checkpoint in the database; null when there is none, or no key of the log signed it. */
async function newestSigned(tx: Transaction, log: number): Promise<Signed | null> {
  const note = await newestCheckpoint(tx)
  if (note === null) return null
  const verifiers = (await readLogKeys(tx)).filter((key) => key.log === log).map(({ vkey }) => parseNoteVerifier(vkey))
  try {
    const { size, root } = await openCheckpoint(note, verifiers)
    return { size, root: Buffer.from(root), note }
  } catch (error) {
    if (error instanceof LogError) return null
    throw error
  }
}

/** Why the log in the database is not the one that was signed; null when it is. */
async function forkOf(last: TreeHead | null, tx: Transaction): Promise<Refusal | null> {
  try {
    await nextHead(last, treeIn(tx))
    return null
  } catch (error) {
    if (error instanceof Refusal && refusalCode(error) === "log-forked") return error
    throw error
  }
}

type First = {
  log: number
  vkey: string
  closed: number
  kept: TreeHead
  last: Signed | null
  why: string
  reason: string
}

/** Whoever holds a checkpoint of the old log can compare: a tree that was signed and is not declared here was hidden. */
function firstEntry(past: Past, { log, vkey, closed, kept, last, why, reason }: First): Draft {
  const headOf = ({ size, root }: TreeHead) => ({ size, root: root.toString("base64") })
  const signed = last === null ? null : { ...headOf(last), checkpoint: last.note }
  const keyLost = past.isKeyLost ? { keyLost: true } : {}
  const before = { log: closed, origin: past.origin, kept: headOf(kept), signed, why, ...keyLost }
  return { event: "audit.log-begun", by: "server", data: { log, vkey, reason, before } }
}
