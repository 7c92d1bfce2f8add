import { setTimeout as sleep } from "node:timers/promises"
import { type Account, type Evidence, ResourceError } from "../../engine.ts"
import type { Connections } from "./connect.ts"
import { AS_OURSELVES, asMakerOf } from "./makers.ts"
import { unbindStatement } from "./mapping/bind.ts"
import { literal, name } from "./quote.ts"

/** Whoever holds the role's row longer than this loses their connection first. */
const DISABLE_LOCK_MS = 50
/** Milliseconds for each of the steps; a resource that needs more is tried again. */
const STEP_MS = 5_000

const UNDEFINED_OBJECT = "42704"
const DEPENDENT_OBJECTS = "2BP01"
/** Somebody else holds or just changed the same row: deadlock, lock timeout, "tuple concurrently updated". */
const CONTENDED = ["40P01", "55P03", "XX000"]

/**
 * Takes a role away: no new login, every connection closed, leftovers dropped, the role dropped. `VALID UNTIL` and DROP
 * ROLE alone end no connection, and one that ran SET ROLE or holds a cursor would go on reading.
 */
export async function revoke(connections: Connections, account: Account, onCut?: () => void): Promise<Evidence> {
  const oid = account.oid ?? (await findOid(connections, account.name))
  const role: Role = { name: account.name, oid, closed: new Set() }
  await disable(connections, role)
  const disabledAtMs = Date.now()
  await closeAll(connections, role)
  const cutAtMs = Date.now()
  onCut?.()
  const cleaned = await drop(connections, role)
  return { oid, connectionsClosed: role.closed.size, cleaned, disabledAtMs, cutAtMs, droppedAtMs: Date.now() }
}

/** `closed` are the processes that were told to end. */
type Role = { name: string; oid: string | null; closed: Set<number> }

/** Refuses new logins, closing first: a connection inside `begin; alter role …` on itself would make us wait for it. */
async function disable(connections: Connections, role: Role): Promise<void> {
  const text = `set local lock_timeout = ${DISABLE_LOCK_MS}; ${asMakerOf(role.name)}; alter role ${name(role.name)} nologin`
  for (const deadline = performance.now() + STEP_MS; ; ) {
    await close(connections, role)
    try {
      await connections.take.run("disable the role", text)
      return
    } catch (error) {
      const code = error instanceof ResourceError ? error.code : null
      if (code === UNDEFINED_OBJECT) return
      if (!CONTENDED.includes(code ?? "") || performance.now() > deadline) throw error
    }
  }
}

/** Closes until the resource shows none. pg_terminate_backend's own wait sleeps 100 ms a time; this looks again sooner. */
async function closeAll(connections: Connections, role: Role): Promise<void> {
  const deadline = performance.now() + STEP_MS
  for (let waitMs = 1; ; waitMs = Math.min(waitMs * 2, 16)) {
    const open = await close(connections, role)
    if (open === 0) return
    if (performance.now() > deadline) throw new ResourceError(`${open} connections do not close`, null, false)
    await sleep(waitMs)
  }
}

/** By OID: after a drop the user name is gone, the OID stays. Returns how many were there. */
async function close(connections: Connections, role: Role): Promise<number> {
  const rows = await connections.take.run<{ pid: number }>(
    "close the connections",
    `select pid, pg_catalog.pg_terminate_backend(pid) from pg_catalog.pg_stat_activity
      where usesysid = $1::oid or usename = $2`,
    [role.oid, role.name],
  )
  for (const { pid } of rows) role.closed.add(pid)
  return rows.length
}

async function drop(connections: Connections, role: Role): Promise<string[]> {
  let cleaned: string[] = []
  const statements = [
    asMakerOf(role.name),
    `drop role if exists ${name(role.name)}`,
    AS_OURSELVES,
    unbindStatement(role.name),
  ]
  for (const deadline = performance.now() + STEP_MS; ; ) {
    try {
      await connections.take.run("drop the role", statements.join("; "))
      return cleaned
    } catch (error) {
      const code = error instanceof ResourceError ? error.code : null
      if (performance.now() > deadline) throw error
      if (code === DEPENDENT_OBJECTS && role.oid !== null)
        cleaned = [...cleaned, ...(await clean(connections, role.oid, role.name))]
      else if (!CONTENDED.includes(code ?? "")) throw error
    }
  }
}

/**
 * Drops what the role owns, and the default privileges it set, in every database where it left any. Without CASCADE: what
 * somebody else built on it is not ours to drop; the role then stays without login, and the alarm says so.
 */
async function clean(connections: Connections, oid: string, role: string): Promise<string[]> {
  const rows = await connections.take.run<{ database: string }>(
    "find what the role left behind",
    `select distinct coalesce(d.datname, pg_catalog.current_database()) as database
       from pg_catalog.pg_shdepend s left join pg_catalog.pg_database d on d.oid = s.dbid
      where s.refclassid = 'pg_catalog.pg_authid'::regclass and s.refobjid = $1::oid
        and s.classid <> 'pg_catalog.pg_auth_members'::regclass`,
    [oid],
  )
  for (const { database } of rows) {
    // Only a member with inheritance may drop what the role owns; the membership goes with the role.
    const text = `${asMakerOf(role)}; grant ${name(role)} to current_user; drop owned by ${name(role)}`
    if (database === connections.part.database) await connections.take.run("drop what the role owns", text)
    else await connections.elsewhere(database, `drop what the role owns in ${literal(database)}`, text)
  }
  return rows.map(({ database }) => database)
}

async function findOid(connections: Connections, role: string): Promise<string | null> {
  const [row] = await connections.take.run<{ oid: string }>(
    "look for the role",
    "select oid::text from pg_catalog.pg_roles where rolname = $1",
    [role],
  )
  return row?.oid ?? null
}
