import { join } from "node:path"
import { setTimeout as delay } from "node:timers/promises"
import type { Log } from "../log.ts"
import { accountOf, chooseAccount } from "./account.ts"
import { type PostgresVersion, provideBinaries } from "./binaries.ts"
import { provideCluster, SUPERUSER } from "./cluster.ts"
import { leavePointer, placeOf, wishedFolder } from "./folders.ts"
import { type FolderLock, lockFolder } from "./lock.ts"
import { launch, type PostmasterParts } from "./postmaster.ts"
import { removeOrphans } from "./remove.ts"
import { adopt, type Postmaster, terminate } from "./survivor.ts"

/** Where and how to run a PostgreSQL. */
export type PostgresOptions = {
  /** Ours alone; made when it is not there. Holds the passwords and, where PostgreSQL's user can reach it, the data. */
  folder: string
  /** TCP port on 127.0.0.1; 0 is any free one. */
  port?: number
  version?: PostgresVersion
  /** The data may be lost: nothing is synced to disk. For tests. */
  isThrowaway?: boolean
  log: Log
}

/** A PostgreSQL of our own, kept running until stop(). */
export interface EmbeddedPostgres extends AsyncDisposable {
  /** The wished folder, as an absolute path without links. */
  readonly folder: string
  readonly host: "127.0.0.1"
  readonly port: number
  /** Connects as superuser to the database `postgres`. Holds the password. */
  readonly superuserUrl: string
  /** Process id of the postmaster now; another one after it was started again. */
  readonly pid: number
  /** True when it ran before we came. */
  readonly isAdopted: boolean
  urlFor(user: string, password: string, database: string): string
  /** Fast shutdown; resolves when it is gone and the folder is free. Idempotent. */
  stop(): Promise<void>
}

/**
 * Starts PostgreSQL in a folder, or adopts the one that survived us there, and starts it again whenever it exits.
 * Throws `folder-in-use` when another process does that already, `not-ready` when it cannot be started.
 */
export async function startPostgres(options: PostgresOptions): Promise<EmbeddedPostgres> {
  const { version = 18, isThrowaway = false, log } = options
  const user = chooseAccount()
  const folder = wishedFolder(options.folder, user)
  const lock = lockFolder(folder)
  try {
    const binaries = await provideBinaries(version, user, isThrowaway)
    const place = placeOf(folder, user, isThrowaway)
    const account = accountOf(join(place, "data"), user)
    const { data, password } = await provideCluster({ folder, place, binaries, version, account, isThrowaway })
    leavePointer(folder, place)
    if (isThrowaway && place !== folder) await removeOrphans(place, user)
    const parts = { binaries, data, account, logFile: join(folder, "postgres.log"), isThrowaway }
    const running = await adoptOrLaunch(parts, options.port ?? 0)
    return supervise({ folder, password, parts, lock, log: log.with({ folder, data }) }, running)
  } catch (error) {
    lock[Symbol.dispose]()
    throw error
  }
}

async function adoptOrLaunch(parts: PostmasterParts, port: number, signal?: AbortSignal): Promise<Postmaster> {
  const survivor = await adopt(parts.data, parts.account)
  if (survivor === null) return await launch(parts, port, signal)
  if (port === 0 || survivor.port === port) return survivor
  await terminate(survivor)
  return await launch(parts, port, signal)
}

type Supervised = { folder: string; password: string; parts: PostmasterParts; lock: FolderLock; log: Log }

function supervise({ folder, password, parts, lock, log }: Supervised, first: Postmaster): EmbeddedPostgres {
  const { port } = first
  const stopping = new AbortController()
  let running = first
  let stopped: Promise<void> | undefined

  const watch = async () => {
    log.info("PostgreSQL runs", { pid: running.pid, port, isAdopted: running.isAdopted })
    for (let failures = 0; ; ) {
      const since = performance.now()
      await running.exited
      if (stopping.signal.aborted) return
      if (performance.now() - since > 60_000) failures = 0
      log.warn("PostgreSQL exited and is started again", { pid: running.pid, failures })
      for (let next: Postmaster | undefined; next === undefined; failures++) {
        await delay(failures === 0 ? 0 : Math.min(100 * 2 ** failures, 10_000), undefined, {
          ref: false,
          signal: stopping.signal,
        }).catch(() => undefined)
        if (stopping.signal.aborted) return
        next = await adoptOrLaunch(parts, port, stopping.signal).catch((error: unknown) => {
          if (!stopping.signal.aborted) log.error("PostgreSQL does not start", { error })
          return undefined
        })
        if (next !== undefined) running = next
      }
      if (stopping.signal.aborted) return await terminate(running)
    }
  }
  const watching = watch()

  const stop = async () => {
    stopping.abort()
    await terminate(running)
    await watching
    lock[Symbol.dispose]()
    log.info("PostgreSQL stopped")
  }
  const urlFor = (user: string, secret: string, database: string) =>
    `postgres://${encodeURIComponent(user)}:${encodeURIComponent(secret)}@127.0.0.1:${port}/${encodeURIComponent(database)}`

  return {
    folder,
    host: "127.0.0.1",
    port,
    superuserUrl: urlFor(SUPERUSER, password, "postgres"),
    get pid() {
      return running.pid
    },
    get isAdopted() {
      return running.isAdopted
    },
    urlFor,
    stop: () => (stopped ??= stop()),
    [Symbol.asyncDispose]: () => (stopped ??= stop()),
  }
}
