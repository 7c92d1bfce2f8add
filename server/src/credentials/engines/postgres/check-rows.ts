import type { Finding } from "../../engine.ts"
import type { Sql } from "./connect.ts"
import { SCHEMA } from "./mapping/functions.ts"
import { name } from "./quote.ts"

type Row = {
  table: string
  group: string
  /** Tables and their partitions can have row-level security; materialized views and foreign tables cannot. */
  canHaveRules: boolean
  hasRules: boolean
  isForced: boolean
  isOwner: boolean
  reads: boolean
  policies: { policy: string; asksSetting: boolean; asksMapping: boolean; asksEachRow: boolean }[]
}

/**
 * Where row-level rules do not hold a lease to its user's rows: for the group roles of operations that bind their user. What a
 * rule says is its author's; this finds rules that are missing, that do not count, and that ask what the agent can change.
 */
export async function rowFindings(sql: Sql, groups: readonly string[]): Promise<Finding[]> {
  if (groups.length === 0) return []
  const rows = await sql.run<Row>("check the row-level rules", TABLES, [groups])
  return rows.flatMap(ruleFindings)
}

function ruleFindings({ table, group, reads, canHaveRules, hasRules, isForced, isOwner, policies }: Row): Finding[] {
  if (!canHaveRules) {
    const what = `${table} cannot have row-level rules: a lease of ${group} for one user reads everybody's rows there.`
    return reads ? [{ level: "warning", what, fix: `revoke select on ${table} from ${name(group)}` }] : []
  }
  if (!hasRules) {
    const what = `Row-level security is off on ${table}: a lease of ${group} for one user reaches everybody's rows there.`
    return [{ level: "warning", what, fix: `alter table ${table} enable row level security, and add a policy` }]
  }
  const found = policies.flatMap(({ policy, asksSetting, asksMapping, asksEachRow }): Finding[] => {
    const fix = `alter policy ${name(policy)} on ${table}, by functions of ${SCHEMA}`
    if (asksSetting) {
      const what = `The policy ${policy} on ${table} asks a setting, which a lease of ${group} changes as it likes.`
      return [{ level: "problem", what, fix }]
    }
    if (asksEachRow) {
      const what = `The policy ${policy} on ${table} asks anew for each row whose the lease is, which is slow.`
      return [{ level: "warning", what, fix: `alter policy ${name(policy)} on ${table}, by (select ${SCHEMA}.…)` }]
    }
    const what = `The policy ${policy} on ${table} lets leases of ${group} in without asking whose they are.`
    return asksMapping ? [] : [{ level: "warning", what, fix }]
  })
  if (isOwner && !isForced) {
    const what = `${group} owns ${table}, and row-level security does not hold its owner.`
    found.push({
      level: "problem",
      what,
      fix: `alter table ${table} force row level security, or give it another owner`,
    })
  }
  return found
}

/** A policy that reads another table asks that table's rules. */
const TABLES = `
  select c.oid::pg_catalog.regclass::text as "table", g.rolname::text as "group", c.relkind in ('r', 'p') as "canHaveRules",
         c.relrowsecurity as "hasRules", c.relforcerowsecurity as "isForced",
         pg_catalog.pg_has_role(g.oid, c.relowner, 'usage') as "isOwner",
         pg_catalog.has_any_column_privilege(g.oid, c.oid, 'select') as reads,
         (select coalesce(json_agg(json_build_object('policy', p.polname,
                   'asksSetting', x.rule ~ '\\mcurrent_setting\\(',
                   'asksEachRow', x.rule ~ '\\m${SCHEMA}\\.' and x.rule !~ '\\mSELECT\\M',
                   'asksMapping', exists (select from pg_catalog.pg_depend d
                     where d.classid = 'pg_catalog.pg_policy'::pg_catalog.regclass and d.objid = p.oid and (
                       exists (select from pg_catalog.pg_proc f where f.oid = d.refobjid and f.pronamespace = n.oid
                         and d.refclassid = 'pg_catalog.pg_proc'::pg_catalog.regclass)
                       or d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass and d.refobjid <> c.oid))) order by p.polname), '[]')
            from pg_catalog.pg_policy p
            cross join lateral (select pg_catalog.concat(pg_catalog.pg_get_expr(p.polqual, p.polrelid), ' ',
              pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid))) x (rule)
           where p.polrelid = c.oid and p.polpermissive and exists (select from unnest(p.polroles) as t (oid)
             where t.oid = 0 or pg_catalog.pg_has_role(g.oid, t.oid, 'usage'))) as policies
    from pg_catalog.pg_roles g
    cross join pg_catalog.pg_class c
    left join pg_catalog.pg_namespace n on n.nspname = '${SCHEMA}'
   where g.rolname = any ($1::text[]) and not g.rolsuper and c.relkind in ('r', 'p', 'm', 'f')
     and c.relnamespace::pg_catalog.regnamespace::text not in ('pg_catalog', 'information_schema', 'pg_toast', '${SCHEMA}')
     and (pg_catalog.has_any_column_privilege(g.oid, c.oid, 'select, insert, update')
       or pg_catalog.has_table_privilege(g.oid, c.oid, 'delete, truncate, trigger'))
   order by 1, 2`
