import type { Finding } from "../../engine.ts"
import { approvalFindings } from "./check-approvals.ts"
import { makerFindings } from "./check-makers.ts"
import { rightFindings } from "./check-rights.ts"
import { rowFindings } from "./check-rows.ts"
import type { Connections, Sql } from "./connect.ts"
import { makersOf, makersStatement } from "./makers.ts"
import { mappingFindings } from "./mapping/check.ts"
import { OWNER } from "./mapping/functions.ts"
import type { PostgresPart } from "./part.ts"
import { literal, name } from "./quote.ts"

/** What is looked at: our account, the group roles of the operations, and those of operations that bind their user or require an approval. */
export type CheckSpec = {
  account: string
  groups: readonly string[]
  userGroups: readonly string[]
  approvalGroups: readonly string[]
}

/** Looks with our own account whether the resource is prepared; throws when the login fails. */
export async function check(connections: Connections, part: PostgresPart): Promise<Finding[]> {
  const operations = Object.values(part.operations)
  const groups = operations.map(({ groupRole }) => groupRole)
  const userGroups = operations.filter(({ bindsUser }) => bindsUser).map(({ groupRole }) => groupRole)
  const approvalGroups = operations.filter(({ approval }) => approval).map(({ groupRole }) => groupRole)
  return await findings(connections.give, { account: connections.root.username, groups, userGroups, approvalGroups })
}

/** Every difference between the resource and what `prepare` makes of it, worst first. */
export async function findings(
  sql: Sql,
  { account, groups, userGroups, approvalGroups }: CheckSpec,
): Promise<Finding[]> {
  const names = [...new Set(groups)]
  const found = [
    ...(await accountFindings(sql, account)),
    ...(await groupFindings(sql, account, names)),
    ...(await makerFindings(sql, account, names)),
    ...(await databaseFindings(sql, names)),
    ...(await mappingFindings(sql, {
      account,
      isNeeded: userGroups.length + approvalGroups.length > 0,
      needsApprovals: approvalGroups.length > 0,
    })),
    ...(await rightFindings(sql, [...new Set([...userGroups, ...approvalGroups])])),
    ...(await rowFindings(sql, [...new Set(userGroups)])),
    ...(await approvalFindings(sql, [...new Set(approvalGroups)])),
  ]
  const order = ["reject", "problem", "warning"]
  return found.sort((a, b) => order.indexOf(a.level) - order.indexOf(b.level))
}

async function accountFindings(sql: Sql, account: string): Promise<Finding[]> {
  const [role] = await sql.run<{
    is_superuser: boolean
    superusers: string[]
    makes_roles: boolean
    has_more: boolean
    closes_connections: boolean
    sees_activity: boolean
  }>(
    "check the account",
    `select rolsuper as is_superuser, rolcreaterole as makes_roles,
            array(select s.rolname::text from pg_catalog.pg_roles s where s.rolsuper and not r.rolsuper
                     and pg_catalog.pg_has_role(r.oid, s.oid, 'member')) as superusers,
            rolreplication or rolbypassrls or rolcreatedb as has_more,
            pg_catalog.pg_has_role(oid, 'pg_signal_backend', 'member') as closes_connections,
            pg_catalog.pg_has_role(oid, 'pg_read_all_stats', 'usage') as sees_activity
       from pg_catalog.pg_roles r where rolname = $1`,
    [account],
  )
  const who = name(account)
  if (role === undefined) {
    return [
      { level: "problem", what: `The account ${account} does not exist.`, fix: `create role ${who} login createrole` },
    ]
  }
  const found: Finding[] = []
  if (role.is_superuser) {
    const what = `The account ${account} is a superuser; Safeconduct never works with one. Prepare an account of its own.`
    found.push({ level: "reject", what, fix: `alter role ${who} nosuperuser` })
  }
  for (const superuser of role.superusers) {
    const what = `${account} may act as ${superuser}, a superuser; Safeconduct never works with one.`
    found.push({ level: "reject", what, fix: `revoke ${name(superuser)} from ${who}` })
  }
  if (!role.makes_roles) {
    found.push({ level: "problem", what: `${account} may not make roles.`, fix: `alter role ${who} createrole` })
  }
  if (!role.closes_connections) {
    const what = `${account} may not close connections, so a revoked lease would go on reading.`
    found.push({ level: "problem", what, fix: `grant pg_signal_backend to ${who}` })
  }
  if (!role.sees_activity) {
    const what = `${account} does not see when a lease was last used: a session with an idle connection counts as in use.`
    found.push({ level: "warning", what, fix: `grant pg_read_all_stats to ${who}` })
  }
  if (role.has_more) {
    const what = `${account} has rights that it does not need.`
    found.push({ level: "warning", what, fix: `alter role ${who} noreplication nobypassrls nocreatedb` })
  }
  return found
}

async function groupFindings(sql: Sql, account: string, groups: string[]): Promise<Finding[]> {
  const rows = await sql.run<{
    group: string
    exists: boolean
    has_admin: boolean
    helpless: number
    is_mighty: boolean
    reaches: string[]
    owns: number
    default_acls: number
  }>(
    "check the group roles",
    `select g.name as group, r.oid is not null as exists,
            exists (select from pg_catalog.pg_auth_members m join pg_catalog.pg_roles a on a.oid = m.member
                     where m.roleid = r.oid and a.rolname = $1 and m.admin_option) as has_admin,
            (select count(*)::int from (${makersOf("$1")}) as made
              where r.oid is not null and not exists (select from pg_catalog.pg_auth_members m
                where m.roleid = r.oid and m.member = made.oid and m.admin_option)) as helpless,
            coalesce(r.rolsuper or r.rolcreaterole or r.rolcreatedb or r.rolreplication or r.rolbypassrls, false) as is_mighty,
            array(select p.rolname::text from pg_catalog.pg_roles p
                   where r.oid is not null and not r.rolsuper and p.oid <> r.oid
                     and pg_catalog.pg_has_role(r.oid, p.oid, 'member')
                     and (p.rolsuper or p.rolcreaterole or p.rolcreatedb or p.rolreplication or p.rolbypassrls or p.rolname in ('pg_read_server_files', 'pg_write_server_files', 'pg_execute_server_program',
                                       'pg_signal_backend', 'pg_write_all_data', 'pg_read_all_data', 'pg_maintain',
                                       'pg_create_subscription'))) as reaches,
            (select count(*)::int from pg_catalog.pg_shdepend s where s.refobjid = r.oid and s.deptype = 'o'
                and s.refclassid = 'pg_catalog.pg_authid'::regclass
                and s.classid <> 'pg_catalog.pg_default_acl'::regclass) as owns,
            (select count(*)::int from pg_catalog.pg_default_acl d where d.defaclrole = r.oid) as default_acls
       from unnest($2::text[]) as g (name) left join pg_catalog.pg_roles r on r.rolname = g.name`,
    [account, groups],
  )
  return rows.flatMap((row): Finding[] => {
    const group = name(row.group)
    if (!row.exists) {
      return [
        { level: "problem", what: `The group role ${row.group} does not exist.`, fix: `create role ${group} nologin` },
      ]
    }
    const found: Finding[] = []
    if (!row.has_admin) {
      const fix = `grant ${group} to ${name(account)} with admin option`
      found.push({ level: "problem", what: `${account} may not give out ${row.group}.`, fix })
    }
    if (row.helpless > 0) {
      const what = `${row.helpless} roles that make leases for ${account} may not give out ${row.group}.`
      found.push({ level: "problem", what, fix: makersStatement(account, [row.group]) })
    }
    if (row.is_mighty) {
      const fix = `alter role ${group} nosuperuser nocreaterole nocreatedb noreplication nobypassrls`
      found.push({ level: "problem", what: `${row.group} has rights over the server, which SET ROLE would give.`, fix })
    }
    for (const role of row.reaches) {
      const what = `${row.group} is a member of ${role}, which reaches beyond chosen tables.`
      found.push({ level: "problem", what, fix: `revoke ${role} from ${group}` })
    }
    if (row.owns > 0) {
      const what = `${row.group} owns ${row.owns} objects, which a lease could change or drop.`
      found.push({ level: "warning", what, fix: `reassign owned by ${group} to <another owner>` })
    }
    if (row.default_acls > 0) {
      const what = `${row.group} has default privileges of its own: somebody acted as the group, perhaps a lease.`
      found.push({ level: "warning", what, fix: `drop owned by ${group}, then prepare again` })
    }
    return found
  })
}

async function databaseFindings(sql: Sql, groups: string[]): Promise<Finding[]> {
  const [row] = await sql.run<{
    public_creates: boolean
    makes_large_objects: boolean
    prepared_transactions: number
    views: string[]
    definers: string[]
  }>(
    "check the database",
    `with acls as (
       select 'schema' as kind, a.* from pg_catalog.pg_namespace n,
              pg_catalog.aclexplode(coalesce(n.nspacl, pg_catalog.acldefault('n', n.nspowner))) a where n.nspname = 'public'
       union all
       select 'function', a.* from pg_catalog.pg_proc p,
              pg_catalog.aclexplode(coalesce(p.proacl, pg_catalog.acldefault('f', p.proowner))) a
        where p.pronamespace = 'pg_catalog'::regnamespace and p.proname in ('lo_create', 'lo_creat', 'lo_from_bytea'))
     select exists (select from acls where kind = 'schema' and grantee = 0 and privilege_type = 'CREATE') as public_creates,
            exists (select from acls where kind = 'function' and grantee = 0) as makes_large_objects,
            pg_catalog.current_setting('max_prepared_transactions')::int as prepared_transactions,
            array(select c.oid::regclass::text from pg_catalog.pg_class c
                   where c.relkind = 'v' and c.relnamespace::regnamespace::text not in ('pg_catalog', 'information_schema')
                     and not coalesce(c.reloptions && '{security_invoker=true,security_invoker=on,security_invoker=1}', false)
                     and exists (select from pg_catalog.pg_roles r where r.rolname = any ($1::text[])
                                    and pg_catalog.has_table_privilege(r.oid, c.oid, 'select')) order by 1) as views,
            array(select p.oid::regprocedure::text from pg_catalog.pg_proc p
                   where p.prosecdef and p.pronamespace::regnamespace::text not in ('pg_catalog', 'information_schema')
                     and p.proowner <> coalesce(pg_catalog.to_regrole('${OWNER}')::oid, 0)
                     and exists (select from pg_catalog.pg_roles r where r.rolname = any ($1::text[])
                                    and pg_catalog.has_function_privilege(r.oid, p.oid, 'execute')) order by 1) as definers`,
    [groups],
  )
  const found: Finding[] = []
  if (row!.public_creates) {
    const what = "Everybody may create objects in the schema public, leases too."
    found.push({ level: "problem", what, fix: "revoke create on schema public from public" })
  }
  if (row!.makes_large_objects) {
    const what = "Everybody may create large objects; a lease that does so leaves them for its revocation to drop."
    found.push({ level: "warning", what, fix: LARGE_OBJECTS })
  }
  if (row!.prepared_transactions > 0) {
    const what = "Prepared transactions are on: one that a lease leaves behind blocks its removal."
    found.push({ level: "warning", what, fix: "alter system set max_prepared_transactions = 0" })
  }
  for (const view of row!.views) {
    const what = `The view ${view} reads with its owner's rights, and row-level rules see the owner.`
    found.push({ level: "warning", what, fix: `alter view ${view} set (security_invoker = true)` })
  }
  for (const definer of row!.definers) {
    const what = `The function ${definer} runs with its owner's rights.`
    found.push({ level: "warning", what, fix: `revoke execute on function ${definer} from public` })
  }
  return found
}

/** Creating a large object needs no right on any schema; a reader has no use for it. */
export const LARGE_OBJECTS = `revoke execute on function ${[
  "lo_create(oid)",
  "lo_creat(integer)",
  "lo_from_bytea(oid, bytea)",
]
  .map((signature) => `pg_catalog.${signature}`)
  .join(", ")} from public`

/** A statement that does nothing when the role is there already. */
export function createRole(role: string, attributes: string): string {
  const statement = `create role ${name(role)} ${attributes}`
  return `do ${literal(`begin if not exists (select from pg_catalog.pg_roles where rolname = ${literal(role)}) then ${statement}; end if; end`)}`
}
