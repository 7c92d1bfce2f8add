import type { Account, Listing, Trace } from "../../engine.ts"
import type { Connections } from "./connect.ts"
import { TIDY } from "./mapping/bind.ts"

/** Whether the roles and their connections are there now, by OID and by name. */
export async function readBack(connections: Connections, accounts: readonly Account[]): Promise<Trace[]> {
  if (accounts.length === 0) return []
  const rows = await connections.take.run<{
    name: string
    oid: string | null
    has_account: boolean
    connections: number
  }>(
    "read the resource back",
    `with seen as materialized (
       select usesysid, usename from pg_catalog.pg_stat_activity where usesysid is not null)
     select w.name, w.oid,
            exists (select from pg_catalog.pg_roles r where r.oid = w.oid::oid)
              or exists (select from pg_catalog.pg_roles r where r.rolname = w.name::name) as has_account,
            (select count(*)::int from seen s where s.usesysid = w.oid::oid or s.usename = w.name::name) as connections
       from unnest($1::text[], $2::text[]) with ordinality as w (name, oid, n) order by n`,
    [accounts.map(({ name }) => name), accounts.map(({ oid }) => oid)],
  )
  return rows.map(({ name, oid, has_account, connections }) => ({ name, oid, hasAccount: has_account, connections }))
}

const LEASE_ROLE = "^sc_[0-9a-hjkmnp-tv-z]{8}_[0-9a-hjkmnp-tv-z]{26}$"

/** The roles whose names carry the deployment's id, and how many carry another's. */
export async function list(connections: Connections, deployment: string): Promise<Listing> {
  const rows = await connections.give.run<{ name: string; oid: string; is_ours: boolean }>(
    "list the roles",
    `select rolname as name, oid::text as oid, rolname like $2 as is_ours from pg_catalog.pg_roles
      where rolname like 'sc\\_%' and rolname ~ $1`,
    [LEASE_ROLE, `sc\\_${deployment}\\_%`],
  )
  const accounts = rows.filter((row) => row.is_ours).map(({ name, oid }) => ({ name, oid }))
  return { accounts, others: rows.length - accounts.length }
}

/** When each role's connections last did something: now for one that is at work or not ours to see, else when it fell idle. */
export async function activity(connections: Connections, accounts: readonly Account[]): Promise<Map<string, Date>> {
  const rows = await connections.give.run<{ oid: string; at: Date }>(
    "read the activity",
    `select usesysid::text as oid,
            max(case when state = 'active' then pg_catalog.now() else coalesce(state_change, pg_catalog.now()) end) as at
       from pg_catalog.pg_stat_activity where usesysid = any ($1::oid[]) group by 1`,
    [accounts.flatMap(({ oid }) => (oid === null ? [] : [oid]))],
  )
  const seen = new Map(rows.map(({ oid, at }) => [oid, at]))
  return new Map(accounts.flatMap(({ name, oid }) => (seen.has(oid ?? "") ? [[name, seen.get(oid!)!] as const] : [])))
}

/** Ends what the resource says of leases whose roles are gone, and removes what it has kept long enough. */
export async function tidy(connections: Connections): Promise<void> {
  await connections.give.run("tidy up whose the leases were", TIDY)
}
