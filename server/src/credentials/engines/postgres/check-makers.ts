import type { Finding } from "../../engine.ts"
import type { Sql } from "./connect.ts"
import { ARE_MAKERS, IS_NAMED, MAKERS, makersOf, makersStatement } from "./makers.ts"
import { name } from "./quote.ts"

type Counts = {
  has_makers: boolean
  there: number
  mighty: { maker: string; roles: string[] }[]
  helpers: { role: string; member: string }[]
}

/** What is wrong with the roles that make leases, and who else may act as they or our account may. */
export async function makerFindings(sql: Sql, account: string, groups: readonly string[]): Promise<Finding[]> {
  // Before 16 whoever is a member may do both.
  const acts = ["set_option", "inherit_option"].map(
    (option) => `coalesce((to_jsonb(a) ->> '${option}')::boolean, true)`,
  )
  const [row] = await sql.run<Counts>(
    "check the roles that make leases",
    `with named as (
       select distinct m.* from pg_catalog.pg_auth_members a
         join pg_catalog.pg_roles m on m.oid = a.roleid join pg_catalog.pg_roles u on u.oid = a.member
        where u.rolname = $1 and not a.admin_option and ${IS_NAMED})
     select pg_catalog.current_setting('server_version_num')::int >= 160000 as has_makers,
            (select count(*)::int from named) as there,
            array(select json_build_object('maker', m.rolname, 'roles', given.roles) from named m
                    cross join lateral (select array(select p.rolname::text from pg_catalog.pg_auth_members a
                      join pg_catalog.pg_roles p on p.oid = a.roleid
                     where a.member = m.oid and (p.rolsuper or p.rolname like 'pg\\_%')) as roles) given
                   where not (${ARE_MAKERS}) or m.rolcreatedb or m.rolreplication or m.rolbypassrls or given.roles <> '{}'
                   order by m.rolname) as mighty,
            array(select json_build_object('role', r.rolname, 'member', u.rolname)
                    from pg_catalog.pg_auth_members a join pg_catalog.pg_roles r on r.oid = a.roleid
                    join pg_catalog.pg_roles u on u.oid = a.member
                   where (r.rolname = $1 or r.oid in (select made.oid from (${makersOf("$1")}) as made))
                     and u.rolname <> $1 and not u.rolsuper and (${acts.join(" or ")})
                   order by r.rolname, u.rolname limit 10) as helpers`,
    [account],
  )
  const { has_makers, there, mighty, helpers } = row!
  const found = mighty.map(({ maker, roles }): Finding => {
    const lesser = `alter role ${name(maker)} nologin nosuperuser createrole nocreatedb noreplication nobypassrls`
    const fix = [lesser, ...roles.map((role) => `revoke ${name(role)} from ${name(maker)}`)].join("; ")
    return { level: "problem", what: `${maker} may do more than make leases for ${account}.`, fix }
  })
  for (const { role, member } of helpers) {
    const what = `${member} may act as ${role}, and so give itself what leases are given.`
    found.push({ level: "problem", what, fix: `revoke ${name(role)} from ${name(member)}` })
  }
  if (has_makers && there < MAKERS) {
    const what = `${there} of ${MAKERS} roles make leases for ${account}: with thousands of live leases PostgreSQL slows down.`
    found.push({ level: "warning", what, fix: makersStatement(account, groups) })
  }
  return found
}
