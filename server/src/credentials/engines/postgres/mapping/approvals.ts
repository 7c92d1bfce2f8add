import type { MappingFunction } from "./functions.ts"

/*
 * A credential that is made for one approved action carries that approval to the resource, where the resource's own functions
 * and triggers ask for it by use_approval(). Whoever goes around us with the credential in hand meets the same question.
 */

/** SQLSTATEs of what is refused: nobody approved it, it is not what was approved, it was done before. */
export const REFUSED = { none: "SC001", differs: "SC002", used: "SC003" } as const

/**
 * In a table of its own: a transaction that used an approval, and is left prepared, holds the lock of its line, and taking the lease
 * away must not wait for that. The mark is the transaction's own, so that what is rolled back was not done; the lock makes a
 * second transaction wait for the first, and read what came of it.
 */
const use: MappingFunction = {
  name: "use_approval",
  parameters: "operation text, arguments jsonb",
  returns: "boolean",
  volatility: "volatile",
  isDefiner: true,
  isPublic: true,
  body: `declare
  approved safeconduct.approvals;
begin
  select a.* into approved
    from safeconduct.approvals a
    join safeconduct.leases l on l.role_name = a.role_name
    join pg_catalog.pg_roles r on r.oid = l.role_oid and r.rolname = l.role_name
   where a.role_name = session_user and l.ended_at is null and a.operation = $1
     for update of a;
  if not found then
    raise exception using errcode = '${REFUSED.none}',
      message = 'approval-required: this credential was not made for an approved "' || coalesce($1, '') || '".',
      hint = 'Ask Safeconduct for the action, and use the credential that comes with its approval.';
  end if;
  if pg_catalog.jsonb_typeof($2) is distinct from 'object' or approved.arguments is distinct from $2 then
    raise exception using errcode = '${REFUSED.differs}',
      message = 'approval-differs: this is not the "' || $1 || '" that was approved.',
      detail = coalesce((select 'Other than approved: ' || pg_catalog.string_agg(coalesce(o.key, n.key), ', ' order by coalesce(o.key, n.key)) || '.'
        from pg_catalog.jsonb_each(approved.arguments) o
        full join pg_catalog.jsonb_each(case pg_catalog.jsonb_typeof($2) when 'object' then $2 else '{}' end) n on n.key = o.key
       where o.value is distinct from n.value), ''),
      hint = 'Do what was approved, or ask Safeconduct for this action.';
  end if;
  if approved.used_at is not null then
    raise exception using errcode = '${REFUSED.used}',
      message = 'approval-used: this "' || $1 || '" was approved once, and done.',
      hint = 'Ask Safeconduct for the action again.';
  end if;
  update safeconduct.approvals a set used_at = pg_catalog.clock_timestamp() where a.role_name = approved.role_name;
  return true;
end`,
}

/** An approval goes with the lease that was made for it last, as one does whose credential never reached anybody; a used one stays. */
const approve: MappingFunction = {
  name: "approve",
  parameters: "role name, approval jsonb",
  returns: "void",
  volatility: "volatile",
  isDefiner: true,
  isPublic: false,
  body: `begin
  insert into safeconduct.approvals as a (role_name, approval, digest, operation, arguments)
    values ($1, $2 ->> 'approval', $2 ->> 'digest', $2 ->> 'operation', $2 -> 'arguments')
    on conflict on constraint approvals_approval do update set role_name = excluded.role_name, bound_at = pg_catalog.clock_timestamp()
     where a.used_at is null and a.digest = excluded.digest and a.operation = excluded.operation
       and a.arguments = excluded.arguments;
  if not found then
    raise exception using errcode = '${REFUSED.used}', message = 'approval-used: what was approved was done before.';
  end if;
end`,
}

/** What asks for an approval, and what writes it down. */
export const approvalFunctions: readonly MappingFunction[] = [use, approve]
