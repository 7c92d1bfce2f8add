/*
 * What row-level rules and triggers call. Each says what a lease is, to whoever logged in as it: by `session_user`, which
 * neither SET ROLE nor a function that runs with other rights changes, and never by a setting, which the agent sets as it
 * likes. By name and OID, and only until the lease is taken away: whoever has a name or an OID again is nobody.
 */

/** Schema of everything below, at the resource. */
export const SCHEMA = "safeconduct"
/** Owns the mapping and nothing else; nobody is a member, and it cannot log in. */
export const OWNER = "safeconduct_leases"
/** How long the resource keeps whose a lease was. Long enough to join with PostgreSQL's own log, which names roles. */
export const KEPT_DAYS = 90

/** What a function is, as PostgreSQL's catalogue has it once it was made: `check` compares each field. */
export type MappingFunction = {
  name: string
  /** Parameters as pg_get_function_arguments() writes them. */
  parameters: string
  returns: string
  volatility: "stable" | "volatile"
  /** Runs with the owner's rights: it reads or writes the mapping, which nobody else may. */
  isDefiner: boolean
  /** Everybody may call it; else only our account. */
  isPublic: boolean
  body: string
}

/** SQL for something of the caller's lease; null for whoever is none. */
function ofCaller(expression: string): string {
  return `begin
  return (select ${expression}
    from safeconduct.leases l
    join pg_catalog.pg_roles r on r.oid = l.role_oid and r.rolname = l.role_name
   where l.role_name = session_user and l.ended_at is null);
end`
}

function reader(name: string, parameters: string, returns: string, expression: string): MappingFunction {
  const body = ofCaller(expression)
  return { name, parameters, returns, volatility: "stable", isDefiner: true, isPublic: true, body }
}

const readers: readonly MappingFunction[] = [
  reader("subject", "", "text", "l.subject"),
  reader("issuer", "", "text", "l.issuer"),
  // Null where there are several, too: a rule that compares with one value would have to choose.
  reader(
    "claim",
    "claim text",
    "text",
    "case when pg_catalog.jsonb_array_length(l.claims -> $1) = 1 then l.claims -> $1 ->> 0 end",
  ),
  reader(
    "claims",
    "claim text",
    "text[]",
    "case when l.claims -> $1 is not null then array(select pg_catalog.jsonb_array_elements_text(l.claims -> $1)) end",
  ),
  reader("parameter", "parameter text", "text", "l.parameters ->> $1"),
  reader("purpose", "", "text", "l.purpose"),
  reader("session", "", "text", "l.session"),
  reader("agent", "", "text", "l.agent"),
  reader("application", "", "text", "l.application"),
  reader(
    "lease",
    "",
    "jsonb",
    `pg_catalog.jsonb_build_object('role', l.role_name, 'lease', l.lease, 'user', l.user_id, 'issuer', l.issuer,
      'subject', l.subject, 'agent', l.agent, 'purpose', l.purpose, 'session', l.session, 'application', l.application,
      'chain', l.chain)`,
  ),
]

/**
 * Not the owner's rights: the column's type is the table's owner's, who would have its checks run with them.
 * jsonb_populate_record takes every other column as it is.
 */
const stamp: MappingFunction = {
  name: "stamp",
  parameters: "",
  returns: "trigger",
  volatility: "volatile",
  isDefiner: false,
  isPublic: true,
  body: `begin
  if tg_when <> 'BEFORE' or tg_level <> 'ROW' or not exists (select from pg_catalog.pg_attribute a
      where a.attrelid = tg_relid and a.attname = tg_argv[0] and a.attnum > 0 and not a.attisdropped) then
    raise exception 'safeconduct.stamp() is for a trigger before each row, and is given the name of a column of type jsonb.';
  end if;
  return pg_catalog.jsonb_populate_record(new, pg_catalog.jsonb_build_object(tg_argv[0],
    coalesce(safeconduct.lease(), pg_catalog.jsonb_build_object('role', session_user))
      || pg_catalog.jsonb_build_object('at', pg_catalog.clock_timestamp())));
end`,
}

function writer(name: string, parameters: string, body: string): MappingFunction {
  return { name, parameters, returns: "void", volatility: "volatile", isDefiner: true, isPublic: false, body }
}

const writers: readonly MappingFunction[] = [
  writer(
    "bind",
    "role name, lease jsonb",
    `begin
  insert into safeconduct.leases (role_name, role_oid, lease, session, purpose, agent, user_id, issuer, subject, claims,
      parameters, application, chain)
    select r.rolname, r.oid, $2 ->> 'lease', $2 ->> 'session', $2 ->> 'purpose', $2 ->> 'agent', $2 ->> 'user',
           $2 ->> 'issuer', $2 ->> 'subject', $2 -> 'claims', $2 -> 'parameters', $2 ->> 'application', $2 -> 'chain'
      from pg_catalog.pg_roles r where r.rolname = $1;
  if not found then raise exception 'There is no role %.', $1; end if;
end`,
  ),
  writer(
    "unbind",
    "role name",
    `begin
  update safeconduct.leases l set ended_at = pg_catalog.clock_timestamp() where l.role_name = $1 and l.ended_at is null;
end`,
  ),
  writer(
    "tidy",
    "",
    `begin
  update safeconduct.leases l set ended_at = pg_catalog.clock_timestamp()
   where l.ended_at is null and not exists (
     select from pg_catalog.pg_roles r where r.oid = l.role_oid and r.rolname = l.role_name);
  delete from safeconduct.leases l where l.ended_at < pg_catalog.now() - interval '${KEPT_DAYS} days';
end`,
  ),
]

/** Every function of the mapping. */
export const mappingFunctions: readonly MappingFunction[] = [...readers, stamp, ...writers]

/** The types of a function's parameters, which name it among others of the same name. */
export function signatureOf({ name, parameters }: Pick<MappingFunction, "name" | "parameters">): string {
  const types = parameters.split(", ").map((parameter) => parameter.replace(/^\w+ /, ""))
  return `${SCHEMA}.${name}(${types.join(", ")})`
}

/** Whether a query that calls it may be run by several processes: they have the same session_user. */
export function parallelOf({ volatility }: MappingFunction): "safe" | "unsafe" {
  return volatility === "stable" ? "safe" : "unsafe"
}

/** The statement that makes a function, or makes it again as it should be. */
export function functionStatement(made: MappingFunction): string {
  const { name, parameters, returns, volatility, isDefiner, body } = made
  return (
    `create or replace function ${SCHEMA}.${name}(${parameters}) returns ${returns} language plpgsql ${volatility} ` +
    `security ${isDefiner ? "definer" : "invoker"} parallel ${parallelOf(made)} ` +
    `set search_path = pg_catalog, pg_temp as $body$${body}$body$`
  )
}
