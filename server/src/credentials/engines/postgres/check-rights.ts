import type { Finding } from "../../engine.ts"
import type { Sql } from "./connect.ts"
import { SCHEMA } from "./mapping/functions.ts"
import { name } from "./quote.ts"

/** Where a lease of these group roles could get past row-level rules and triggers, whatever those say. */
export async function rightFindings(sql: Sql, groups: readonly string[]): Promise<Finding[]> {
  if (groups.length === 0) return []
  const rows = await sql.run<{ table: string; group: string; truncates: boolean; triggers: boolean }>(
    "check the rights on tables",
    TABLES,
    [groups],
  )
  const settings = await sql.run<{ group: string }>("check the rights on settings", SETTINGS, [groups])
  return [
    ...rows.flatMap(({ table, group, truncates, triggers }) => {
      const found: Finding[] = []
      if (truncates) {
        const what = `${group} may truncate ${table}, which no row-level rule sees.`
        found.push({ level: "problem", what, fix: `revoke truncate on ${table} from ${name(group)}` })
      }
      if (triggers) {
        const what = `${group} may put triggers on ${table}, which run as whoever writes there.`
        found.push({ level: "problem", what, fix: `revoke trigger on ${table} from ${name(group)}` })
      }
      return found
    }),
    ...settings.map(({ group }): Finding => {
      const what = `${group} may turn triggers off, those that stamp its changes or ask for an approval too.`
      const fix = `revoke set on parameter session_replication_role from ${name(group)}`
      return { level: "problem", what, fix }
    }),
  ]
}

const TABLES = `
  select c.oid::pg_catalog.regclass::text as "table", g.rolname::text as "group",
         pg_catalog.has_table_privilege(g.oid, c.oid, 'truncate') as truncates,
         pg_catalog.has_table_privilege(g.oid, c.oid, 'trigger') as triggers
    from pg_catalog.pg_roles g
    cross join pg_catalog.pg_class c
   where g.rolname = any ($1::text[]) and not g.rolsuper and c.relkind in ('r', 'p', 'v', 'm', 'f')
     and c.relnamespace::pg_catalog.regnamespace::text not in ('pg_catalog', 'information_schema', 'pg_toast', '${SCHEMA}')
     and pg_catalog.has_table_privilege(g.oid, c.oid, 'truncate, trigger')
   order by 1, 2`

const SETTINGS = `
  select g.rolname::text as "group" from pg_catalog.pg_roles g where g.rolname = any ($1::text[]) and not g.rolsuper
     and pg_catalog.has_parameter_privilege(g.oid, 'session_replication_role', 'set') order by 1`
