import { setTimeout as delay } from "node:timers/promises"
import { type Database, type Log, Refusal, refusalCode } from "#kernel"
import type { LogSigner, SignedHead } from "./signer.ts"
import { insertCheckpoint } from "./store.ts"
import { treeIn } from "./tree.ts"

/** Keeps the log signed, after commits and outside their lock: however many were committed, the newest tree is signed. */
export interface Checkpoints extends AsyncDisposable {
  /** Asks for a checkpoint over everything committed by now, and does not wait for it. */
  request(): void
  /** Signs at once. Resolves too when it cannot be signed now. Only before the first request. */
  begin(): Promise<void>
  /** A checkpoint over at least that many entries. Throws `not-ready` when there is none in time, `log-forked`. */
  covering(size: number, withinMs: number): Promise<SignedHead>
  /** The newest checkpoint that this server signed. */
  readonly newest: SignedHead | null
}

/** What checkpoints are made of. */
export type CheckpointsParts = {
  database: Database
  signer: LogSigner
  log: Log
  /** Told of `log-forked`. */
  onForked: (refusal: Refusal) => void
  /** Least time between two checkpoints, so that a busy log is not one checkpoint per commit. */
  pauseMs: number
}

/** Starts with nothing signed; the first request signs what the database holds. */
export function keepCheckpoints({ database, signer, log, onForked, pauseMs }: CheckpointsParts): Checkpoints {
  const closing = new AbortController()
  let newest: SignedHead | null = null
  let isWanted = false
  let pausedUntil = 0
  let running: Promise<void> | undefined
  let waiting: { size: number; resolve: (head: SignedHead) => void; reject: (refusal: Refusal) => void }[] = []

  const signOnce = async () => {
    isWanted = false
    try {
      const signed = await signer.sign(treeIn(database))
      await insertCheckpoint(database, signed, signed.note)
      newest = signed
      for (const { size, resolve } of waiting) if (size <= signed.size) resolve(signed)
      waiting = waiting.filter(({ size }) => size > signed.size)
    } catch (error) {
      if (!(error instanceof Refusal && refusalCode(error) === "log-forked")) {
        // The next request, which comes within a second, tries again.
        log.warn("the log cannot be signed now", { error })
        return
      }
      onForked(error)
      for (const { reject } of waiting.splice(0)) reject(error)
    } finally {
      pausedUntil = performance.now() + pauseMs
    }
  }
  const run = async () => {
    while (isWanted) {
      const restMs = pausedUntil - performance.now()
      if (restMs > 0) await delay(restMs, undefined, { signal: closing.signal }).catch(() => undefined)
      await signOnce()
    }
    running = undefined
  }
  const request = () => {
    isWanted = true
    running ??= run()
  }

  return {
    request,
    begin: signOnce,
    get newest() {
      return newest
    },
    async covering(size, withinMs) {
      if (newest !== null && newest.size >= size) return newest
      const signed = new Promise<SignedHead>((resolve, reject) => waiting.push({ size, resolve, reject }))
      request()
      const timeout = new AbortController()
      const late = delay(withinMs, null, { signal: timeout.signal }).catch(() => null)
      const head = await Promise.race([signed, late]).finally(() => timeout.abort())
      if (head !== null) return head
      throw new Refusal("not-ready", "No checkpoint covers the entry yet. Try again in a moment.")
    },
    async [Symbol.asyncDispose]() {
      closing.abort()
      await running
    },
  }
}
