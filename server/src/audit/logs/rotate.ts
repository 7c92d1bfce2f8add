import { emptyEdge } from "@safeconduct/tlog"
import { type Clock, type Database, Refusal, refusalCode, type Transaction } from "#kernel"
import { createAppender } from "../append.ts"
import type { Draft } from "../change.ts"
import { finishErasures } from "../erase.ts"
import { writeLeaf } from "../leaf.ts"
import { type LogSigner, nextHead, type SignedHead } from "../signer.ts"
import { insertCheckpoint, lockHead, newestCheckpoint, type TreeHead } from "../store.ts"
import { treeIn } from "../tree.ts"
import { numberOf } from "./listing.ts"
import { closeLog, insertLogKey } from "./store.ts"

/** What a log is begun with, after another. */
export type NextLogParts = {
  /** Connected as the database's owner: the server's role could not do this. */
  owner: Database
  serverRole: string
  clock: Clock
  /** Of the log that ends: says what of it was signed. */
  signer: LogSigner
  /** Of the log that begins. */
  next: LogSigner
  /** For the record. */
  reason: string
}

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
  return await begin(parts, (fork) => {
    if (fork !== null) return fork.message
    const what = "The log is whole: it contains everything that was signed, and goes on."
    throw new Refusal("log-not-forked", `${what} To end it nevertheless, say so: --close-a-whole-log.`)
  })
}

/** Closes a log although nothing is wrong with it, signed to its end. Throws `log-forked` when something is. */
export async function closeWholeLogAndBeginNext(parts: NextLogParts): Promise<BegunLog> {
  return await begin(parts, (fork) => {
    if (fork !== null) throw fork
    return "It was closed whole."
  })
}

async function begin(parts: NextLogParts, judge: (fork: Refusal | null) => string): Promise<BegunLog> {
  const { owner, signer, next } = parts
  if ((await signer.lastSigned()) === null) {
    const note = await newestCheckpoint(owner)
    if (note !== null) await signer.adopt(note)
  }
  await finishErasures(owner)
  const begun = await owner.transaction(async (tx) => {
    const kept = await lockHead(tx)
    const fork = await forkOf(signer, tx)
    const why = judge(fork)
    const last = fork === null ? await signToTheEnd(signer, tx) : await signer.lastCheckpoint()
    const log = numberOf(next.origin)
    const closed = await closeLog(tx, log, parts.serverRole)
    const vkey = next.held()[0]!
    await insertLogKey(tx, vkey, log)
    const first = firstEntry(parts, { log, vkey, closed, kept, last, why })
    await createAppender(emptyEdge()).append(tx, [writeLeaf(first, parts.clock.nowMs())])
    return { log, origin: next.origin, vkey, before: { log: closed, kept: kept.size, signed: last?.size ?? null, why } }
  })
  // A crash here leaves a log of one entry without a checkpoint; the next start of a server signs it.
  const signed = await next.sign(treeIn(owner))
  await insertCheckpoint(owner, signed, signed.note)
  return begun
}

/** Why the log in the database is not the one that was signed; null when it is. */
async function forkOf(signer: LogSigner, tx: Transaction): Promise<Refusal | null> {
  try {
    await nextHead(await signer.lastSigned(), treeIn(tx))
    return null
  } catch (error) {
    if (error instanceof Refusal && refusalCode(error) === "log-forked") return error
    throw error
  }
}

async function signToTheEnd(signer: LogSigner, tx: Transaction): Promise<SignedHead> {
  const signed = await signer.sign(treeIn(tx))
  await insertCheckpoint(tx, signed, signed.note)
  return signed
}

type First = { log: number; vkey: string; closed: number; kept: TreeHead; last: SignedHead | null; why: string }

/** Whoever holds a checkpoint of the old log can compare: a tree that was signed and is not declared here was hidden. */
function firstEntry({ signer, reason }: NextLogParts, { log, vkey, closed, kept, last, why }: First): Draft {
  const headOf = ({ size, root }: TreeHead) => ({ size, root: root.toString("base64") })
  const signed = last === null ? null : { ...headOf(last), checkpoint: last.note }
  const before = { log: closed, origin: signer.origin, kept: headOf(kept), signed, why }
  return { event: "audit.log-begun", by: "server", data: { log, vkey, reason, before } }
}
