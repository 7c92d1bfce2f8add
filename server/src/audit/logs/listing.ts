import { type Queryable, Refusal } from "#kernel"
import { readClosedLogs, readLogKeys, readLogNumber } from "./store.ts"

/** A log of this deployment. Of one that was closed: when, and the tree that was kept of it. */
export type LogListing = {
  log: number
  origin: string
  /** Public keys that its checkpoints were ever signed with, oldest first. */
  keys: { vkey: string; addedAt: Date; retiredAt: Date | null }[]
  closed: { at: Date; size: number; root: string } | null
}

/** Every log, the newest first; `origin` is that of one of them. */
export async function listLogs(database: Queryable, origin: string): Promise<LogListing[]> {
  const [current, closed, keys] = await Promise.all([
    readLogNumber(database),
    readClosedLogs(database),
    readLogKeys(database),
  ])
  const listing = (log: number, ended: LogListing["closed"]): LogListing => ({
    log,
    origin: originOf(origin, log),
    keys: keys.filter((key) => key.log === log).map(({ vkey, addedAt, retiredAt }) => ({ vkey, addedAt, retiredAt })),
    closed: ended,
  })
  return [
    listing(current, null),
    ...closed.map(({ log, closedAt, size, root }) =>
      listing(log, { at: closedAt, size, root: root.toString("base64") }),
    ),
  ]
}

/** Name of another log of the same deployment. */
function originOf(origin: string, log: number): string {
  return origin.replace(/\d+$/, String(log))
}

/** The number in a log's name. Throws TypeError for what is no log's name. */
export function numberOf(origin: string): number {
  const number = /\/log\/([1-9]\d{0,8})$/.exec(origin)?.[1]
  if (number === undefined) throw new TypeError(`${origin} is no log's name`)
  return Number(number)
}

/** What a server is told whose log was closed while it ran; null while it was not. */
export async function wasClosed(database: Queryable, log: number): Promise<Refusal | null> {
  const current = await readLogNumber(database)
  if (current <= log) return null
  return new Refusal(
    "log-forked",
    `Log ${log} was closed and log ${current} begun. Restart this server: it goes on there.`,
  )
}
