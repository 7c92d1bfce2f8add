-- The owner appends too, when a log is begun: with the path of his session, whoever may create in a schema on it could put a
-- function in the place of one of PostgreSQL's, and it would run as the owner.
alter function audit.append set search_path = pg_catalog, pg_temp;

-- As in 0001; the entry that tells of the erasure may be in a log that was closed since.
create or replace function audit.erase(erased_entry text, telling_entry text) returns bigint
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  place text;
  told text;
  erased bigint;
begin
  for place in
    select 'entries' union all select 'entries_' || log from audit.logs where closed_at is not null
  loop
    execute format(
      $q$select convert_from(leaf, 'UTF8')::jsonb #>> '{data,entry}' from audit.%I where id = $1 and event = 'audit.erased'$q$,
      place) into told using telling_entry;
    exit when told is not null;
  end loop;
  if told is distinct from erased_entry then
    raise exception 'no entry of the log tells of this erasure' using errcode = 'insufficient_privilege';
  end if;
  delete from audit.disclosures where entry = erased_entry;
  get diagnostics erased = row_count;
  return erased;
end $$;
