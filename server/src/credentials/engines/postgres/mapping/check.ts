import type { Finding } from "../../../engine.ts"
import type { Planned, Sql } from "../connect.ts"
import { literal, name } from "../quote.ts"
import { approvalFunctions } from "./approvals.ts"
import {
  functionStatement,
  type MappingFunction,
  mappingFunctions,
  OWNER,
  parallelOf,
  SCHEMA,
  signatureOf,
} from "./functions.ts"
import { approvalsTable, leasesTable, type MappingTable } from "./tables.ts"

/** `makesRoles`: an account like ours, of another deployment. */
type Grant = { to: string; right: string; makesRoles: boolean }

/** A function as the catalogue has it. */
type Found = MappingFunction & {
  signature: string
  owner: string
  language: string
  parallel: string
  settings: string[]
  /** It has more of what a function can be than those that prepare makes. */
  isOdd: boolean
  grants: Grant[]
}

type Shape = {
  hasSchema: boolean
  schemaOwner: string | null
  ownerCan: string[]
  schemaGrants: Grant[]
  tables: FoundTable[]
  functions: Found[]
}

type FoundTable = {
  name: string
  owner: string
  columns: [string, string, boolean][]
  constraints: [string, string][]
  grants: Grant[]
  oddities: string[]
}

/** What is asked whose a lease is, and what it was approved for. */
const parts: readonly { table: MappingTable; functions: readonly MappingFunction[] }[] = [
  { table: leasesTable, functions: mappingFunctions },
  { table: approvalsTable, functions: approvalFunctions },
]

/**
 * Where the mapping of leases is not as `prepare` makes it; the fix is to prepare again, after asking who changed it. Empty
 * where it was never installed, unless it is needed; the same for what leases were approved for, which earlier releases did not install.
 */
export async function mappingFindings(
  sql: Sql,
  { account, isNeeded, needsApprovals }: { account: string; isNeeded: boolean; needsApprovals: boolean },
): Promise<Finding[]> {
  const shape = await readShape(sql)
  if (!shape.hasSchema) {
    if (!isNeeded) return []
    const what = `Nothing here says whose a lease is: there is no schema ${SCHEMA}, and operations that bind their user or require an approval need it.`
    return [{ level: "problem", what, fix: AGAIN }]
  }
  return [
    ...ownerFindings(shape),
    ...parts
      .filter((part) => part.table === leasesTable || needsApprovals || isInstalled(shape, part))
      .flatMap(({ table, functions }) => [
        ...tableFindings(shape, table),
        ...functions.flatMap((made) => functionFindings(shape.functions, made, account)),
      ]),
    ...shape.functions.filter(isStrange).map(({ signature }) => strange(signature)),
  ]
}

function isInstalled({ tables, functions }: Shape, part: (typeof parts)[number]): boolean {
  const signatures = part.functions.map(signatureOf)
  return (
    tables.some(({ name: found }) => found === part.table.name) ||
    functions.some(({ signature }) => signatures.includes(signature))
  )
}

const AGAIN = 'prepare it again: "safeconduct credentials postgres prepare"'

function problem(what: string, fix: string): Finding {
  return { level: "problem", what, fix }
}

function ownerFindings({ schemaOwner, ownerCan, schemaGrants }: Shape): Finding[] {
  if (schemaOwner !== OWNER) {
    const what = `The schema ${SCHEMA} belongs to ${schemaOwner}, who can say whose a lease is.`
    return [problem(what, `drop or rename the schema, then ${AGAIN}`)]
  }
  const more = ownerCan.map((can) => problem(`${OWNER}, which owns the mapping of leases, ${can}.`, AGAIN_ALONE))
  const grants = schemaGrants.filter(({ to, right }) => to !== OWNER && right !== "USAGE")
  if (!schemaGrants.some(({ to, right }) => to === "public" && right === "USAGE")) {
    const what = `Not everybody may use the schema ${SCHEMA}, so rules and triggers that ask whose a lease is fail.`
    more.push(problem(what, `grant usage on schema ${SCHEMA} to public`))
  }
  return [
    ...more,
    ...grants.map(({ to, right }) =>
      problem(
        `${to} may make objects in the schema ${SCHEMA}.`,
        `revoke ${right} on schema ${SCHEMA} from ${grantee(to)}`,
      ),
    ),
  ]
}

const AGAIN_ALONE = `alter role ${OWNER} nologin nosuperuser nocreaterole nocreatedb noreplication nobypassrls, and revoke its memberships`

function tableFindings({ tables }: Shape, made: MappingTable): Finding[] {
  const table = `${SCHEMA}.${made.name}`
  const there = tables.find((each) => each.name === made.name)
  if (there === undefined) return [problem(`The table ${table} is missing.`, AGAIN)]
  const found: Finding[] = []
  const asMade = [made.columns, made.constraints.map(([constraint, definition]) => [constraint, definition])]
  const isSame = JSON.stringify([there.columns, there.constraints]) === JSON.stringify(asMade)
  if (there.owner !== OWNER || !isSame) {
    const what = `The table ${table} is not the one that prepare makes.`
    found.push(problem(what, `drop table ${table} cascade, then ${AGAIN}`))
  }
  for (const { to, right } of there.grants.filter((grant) => grant.to !== OWNER)) {
    const what = `${to} has ${right} on ${table}, which says ${made.name === "leases" ? "whose each lease is" : "what was approved"}.`
    found.push(problem(what, `revoke all on ${table} from ${grantee(to)}`))
  }
  for (const oddity of there.oddities) {
    found.push(problem(`The table ${table} has ${oddity}, which prepare does not make.`, `drop ${oddity}`))
  }
  return found
}

function functionFindings(there: readonly Found[], made: MappingFunction, account: string): Finding[] {
  const signature = signatureOf(made)
  const found = there.find((each) => each.signature === signature)
  const statement = functionStatement(made)
  if (found === undefined) return [problem(`The function ${signature} is missing.`, AGAIN)]
  const isSame =
    found.owner === OWNER &&
    found.language === "plpgsql" &&
    found.parameters === made.parameters &&
    found.returns === made.returns &&
    found.volatility === made.volatility &&
    found.parallel === parallelOf(made) &&
    found.isDefiner === made.isDefiner &&
    !found.isOdd &&
    found.body === made.body &&
    JSON.stringify(found.settings) === JSON.stringify(["search_path=pg_catalog, pg_temp"])
  if (!isSame) return [problem(`The function ${signature} is not the one that prepare makes.`, `${statement}`)]
  const mayCall = (who: string) => found.grants.some(({ to }) => to === who)
  const caller = made.isPublic ? "public" : account
  if (!mayCall(caller)) {
    const fix = `grant execute on function ${signature} to ${grantee(caller)}`
    return [problem(`${caller} may not call ${signature}.`, fix)]
  }
  if (made.isPublic) return []
  const others = found.grants.filter(({ to, makesRoles }) => to !== OWNER && to !== account && !makesRoles)
  return others.map(({ to }) => {
    const fix = `revoke execute on function ${signature} from ${grantee(to)}`
    return problem(`${to} may call ${signature}, which says whose a lease is, or what was approved.`, fix)
  })
}

function isStrange({ signature }: Found): boolean {
  return !parts.some(({ functions }) => functions.some((made) => signatureOf(made) === signature))
}

function strange(signature: string): Finding {
  const what = `The function ${signature} is none of those that prepare makes.`
  return problem(what, `drop function ${signature}`)
}

function grantee(to: string): string {
  return to === "public" ? "public" : name(to)
}

/** What the owner may do that it need not, and who may act as it. */
const OWNER_CAN = `
  select x.can from pg_catalog.pg_roles o cross join lateral (
    select 'may log in' where o.rolcanlogin
    union all select 'has rights over the server'
     where o.rolsuper or o.rolcreaterole or o.rolcreatedb or o.rolreplication or o.rolbypassrls
    union all select 'is a member of ' || g.rolname from pg_catalog.pg_auth_members m
      join pg_catalog.pg_roles g on g.oid = m.roleid where m.member = o.oid
    union all select 'can be acted as by ' || u.rolname from pg_catalog.pg_auth_members m
      join pg_catalog.pg_roles u on u.oid = m.member where m.roleid = o.oid and not u.rolsuper and (
        coalesce((to_jsonb(m) ->> 'set_option')::boolean, true) or coalesce((to_jsonb(m) ->> 'inherit_option')::boolean, true))) x (can)
   where o.rolname = ${literal(OWNER)}`

const ODDITIES = `
  select coalesce(json_agg(x.oddity), '[]') from (
    select 'trigger ' || t.tgname from pg_catalog.pg_trigger t where t.tgrelid = c.oid and not t.tgisinternal
    union all select 'rule ' || w.rulename from pg_catalog.pg_rewrite w where w.ev_class = c.oid
    union all select 'policy ' || p.polname from pg_catalog.pg_policy p where p.polrelid = c.oid
    union all select 'column right on ' || a.attname from pg_catalog.pg_attribute a where a.attrelid = c.oid and a.attacl is not null
    union all select 'computed column ' || a.attname from pg_catalog.pg_attribute a
      where a.attrelid = c.oid and (a.attgenerated <> '' or a.attidentity <> '')
    union all select 'child ' || i.inhrelid::pg_catalog.regclass::text from pg_catalog.pg_inherits i where i.inhparent = c.oid) x (oddity)`

async function readShape(sql: Sql): Promise<Shape> {
  const [row] = await sql.run<Shape>("check the mapping of leases", READ_SHAPE)
  const functions = row!.functions.map((each) => ({ ...each, signature: signatureOf(each) }))
  return { ...row!, functions }
}

/** Six times as much to plan as to run, and read before each credential that binds its user. */
const READ_SHAPE: Planned = { name: "safeconduct_mapping", text: readingShape() }

function readingShape(): string {
  const grants = (acl: string, kind: string, owner: string) => `(
    select coalesce(json_agg(json_build_object('right', a.privilege_type,
             'to', case a.grantee when 0 then 'public' else pg_catalog.pg_get_userbyid(a.grantee) end,
             'makesRoles', coalesce((select r.rolcreaterole from pg_catalog.pg_roles r where r.oid = a.grantee), false))), '[]')
      from pg_catalog.aclexplode(coalesce(${acl}, pg_catalog.acldefault('${kind}', ${owner}))) a)`
  const volatility = "case p.provolatile when 's' then 'stable' when 'v' then 'volatile' else 'immutable' end"
  return `with space as (select * from pg_catalog.pg_namespace where nspname = '${SCHEMA}')
     select exists (select from space) as "hasSchema",
            (select pg_catalog.pg_get_userbyid(nspowner) from space) as "schemaOwner",
            (select ${grants("nspacl", "n", "nspowner")} from space) as "schemaGrants",
            array(${OWNER_CAN}) as "ownerCan",
            (select coalesce(json_agg(json_build_object('name', c.relname, 'owner', pg_catalog.pg_get_userbyid(c.relowner),
                    'grants', ${grants("c.relacl", "r", "c.relowner")},
                    'columns', (select json_agg(json_build_array(a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod), a.attnotnull) order by a.attnum)
                       from pg_catalog.pg_attribute a where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped),
                    'constraints', (select coalesce(json_agg(json_build_array(k.conname, pg_catalog.pg_get_constraintdef(k.oid)) order by k.conname), '[]')
                       from pg_catalog.pg_constraint k where k.conrelid = c.oid and k.contype in ('p', 'c', 'u', 'f', 'x')),
                    'oddities', (${ODDITIES}))), '[]')
               from pg_catalog.pg_class c join space n on n.oid = c.relnamespace
              where c.relname in ('leases', 'approvals') and c.relkind = 'r' and c.relpersistence = 'p') as tables,
            (select coalesce(json_agg(json_build_object('name', p.proname, 'parameters', pg_catalog.pg_get_function_arguments(p.oid),
                    'signature', '${SCHEMA}.' || p.proname || '(' || pg_catalog.pg_get_function_arguments(p.oid) || ')',
                    'returns', pg_catalog.pg_get_function_result(p.oid), 'volatility', ${volatility},
                    'isDefiner', p.prosecdef, 'body', p.prosrc, 'owner', pg_catalog.pg_get_userbyid(p.proowner),
                    'language', (select l.lanname from pg_catalog.pg_language l where l.oid = p.prolang),
                    'parallel', case p.proparallel when 's' then 'safe' else 'unsafe' end,
                    'isOdd', p.prokind <> 'f' or p.proretset or p.proisstrict or p.proleakproof or p.prosupport <> 0,
                    'settings', coalesce(to_json(p.proconfig), '[]'), 'grants', ${grants("p.proacl", "f", "p.proowner")})), '[]')
               from pg_catalog.pg_proc p join space n on n.oid = p.pronamespace) as functions`
}
