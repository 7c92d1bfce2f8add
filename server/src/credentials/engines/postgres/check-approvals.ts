import type { Finding } from "../../engine.ts"
import type { Sql } from "./connect.ts"
import { SCHEMA } from "./mapping/functions.ts"

type Row = { group: string; unasked: string[]; writes: boolean; isAsked: boolean }

/**
 * Where nothing at the resource asks what was approved, for the group roles of operations that require it. What a trigger compares
 * is its author's; this finds tables that a lease may write with none that asks, as far as its text says.
 */
export async function approvalFindings(sql: Sql, groups: readonly string[]): Promise<Finding[]> {
  if (groups.length === 0) return []
  const rows = await sql.run<Row>("check who asks for approvals", ASKED, [groups])
  return rows.flatMap(({ group, unasked, writes, isAsked }): Finding[] => {
    const fix = `a trigger after each row that calls ${SCHEMA}.use_approval(operation, arguments)`
    if (writes || isAsked) {
      return unasked.map((table) => {
        const what = `A lease of ${group} may write ${table}, and nothing there asks what was approved.`
        return { level: "warning", what, fix: `add to ${table} ${fix}` }
      })
    }
    const what = `Nothing that a lease of ${group} may write or call asks what was approved.`
    return [{ level: "warning", what, fix: `add ${fix}, or a function that does and is all that ${group} may call` }]
  })
}

const ASKS = `~ '\\m${SCHEMA}\\.use_approval\\M'`

const ASKED = `
  select g.rolname::text as "group", count(t.name) > 0 as writes,
         coalesce(array_agg(t.name order by t.name) filter (where not t.is_asked), '{}') as unasked,
         exists (select from pg_catalog.pg_proc p where p.prosrc ${ASKS}
            and p.pronamespace::pg_catalog.regnamespace::text <> '${SCHEMA}'
            and pg_catalog.has_function_privilege(g.oid, p.oid, 'execute')) as "isAsked"
    from pg_catalog.pg_roles g
    left join lateral (
      select c.oid::pg_catalog.regclass::text as name, exists (
               select from pg_catalog.pg_trigger t join pg_catalog.pg_proc p on p.oid = t.tgfoid
                where t.tgrelid = c.oid and t.tgenabled in ('O', 'A') and t.tgtype & 1 = 1 and p.prosrc ${ASKS})
             or exists (select from pg_catalog.pg_policy p
                where p.polrelid = c.oid and pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid) ${ASKS}) as is_asked
        from pg_catalog.pg_class c
       where c.relkind in ('r', 'p', 'f')
         and c.relnamespace::pg_catalog.regnamespace::text not in ('pg_catalog', 'information_schema', 'pg_toast', '${SCHEMA}')
         and (pg_catalog.has_any_column_privilege(g.oid, c.oid, 'insert, update')
           or pg_catalog.has_table_privilege(g.oid, c.oid, 'delete'))) t on true
   where g.rolname = any ($1::text[]) and not g.rolsuper
   group by g.oid, g.rolname order by 1`
