import { setTimeout as delay } from "node:timers/promises"
import pg from "pg"
import type { Look } from "./resource-rules.ts"

/** A resource as its owner sees it. */
export type Watcher = AsyncDisposable & {
  /** Throws when the resource cannot be reached, or does not answer within a second; the next call connects anew. */
  look(): Promise<Look>
}

const ANSWER_MS = 1_000

// statement_timestamp() is before the snapshot that the rest is read with: what is seen stood there then or later.
const LOOK = `select (extract(epoch from statement_timestamp()) * 1000)::float8 as "atMs",
  (select coalesce(json_agg(json_build_object('role', rolname, 'oid', oid::text,
       'untilMs', (extract(epoch from rolvaliduntil) * 1000)::float8)), '[]')
     from pg_catalog.pg_roles where rolname like 'sc\\_%') as accounts,
  (select coalesce(json_agg(json_build_object('oid', usesysid::text, 'pid', pid,
       'startedAtMs', (extract(epoch from backend_start) * 1000)::float8)), '[]')
     from pg_catalog.pg_stat_activity where usesysid is not null and (usename is null or usename like 'sc\\_%')) as connections`

/** Connects with the first look. */
export function watchResource(resource: string, ownerUrl: string): Watcher {
  let client: pg.Client | undefined
  const within = async <T>(work: Promise<T>): Promise<T> => {
    const late = new AbortController()
    const timeout = delay(ANSWER_MS, undefined, { signal: late.signal }).then(() => {
      throw new Error(`${resource} does not answer`)
    })
    timeout.catch(() => undefined)
    try {
      return await Promise.race([work, timeout])
    } finally {
      late.abort()
      work.catch(() => undefined)
    }
  }
  const drop = () => {
    client?.end().catch(() => undefined)
    client = undefined
  }
  return {
    async look() {
      try {
        if (client === undefined) {
          client = new pg.Client({ connectionString: ownerUrl, connectionTimeoutMillis: ANSWER_MS })
          client.on("error", () => undefined)
          await within(client.connect())
        }
        const { rows } = await within(client.query<Omit<Look, "resource">>(LOOK))
        return { resource, ...rows[0]! }
      } catch (error) {
        drop()
        throw error
      }
    },
    async [Symbol.asyncDispose]() {
      drop()
    },
  }
}
