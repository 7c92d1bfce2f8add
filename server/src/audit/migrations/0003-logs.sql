-- One log after the other: when one cannot go on (it was cut, rewritten, or restored from a backup), the next is begun beside it.
create table audit.logs (
  log int primary key check (log > 0),
  begun_at timestamptz not null default now(),
  closed_at timestamptz,
  -- What its tables held when it was closed.
  size bigint,
  root bytea check (octet_length(root) = 32),
  check ((closed_at is null) = (size is null) and (size is null) = (root is null))
);
insert into audit.logs (log) values (1);

-- Public keys that checkpoints of a log are signed with. Two are in force while one takes over from the other.
create table audit.log_keys (
  vkey text collate "C" primary key,
  log int not null references audit.logs,
  added_at timestamptz not null default now(),
  retired_at timestamptz
);

-- Personal values stay in one table, whichever log their entry is in; they are written in the entry's own transaction.
alter table audit.disclosures drop constraint disclosures_entry_fkey;

/*
 * Closes the log, begins another of that number, and returns the number of the one that was closed. Its tables keep their rows under a name with the log's
 * number, where the server only reads; new ones with the same indexes take their place. Only the owner may: the server's
 * role, if it were stolen, could otherwise begin a log in which nothing had happened.
 */
create function audit.close_log(next_log int, server_role name) returns int
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  closing int;
  held record;
  old regclass;
  name text;
  index name;
  options text[];
  statement text;
  again text[];
begin
  select size, root into held from audit.head for update;
  select max(log) into closing from audit.logs;
  if next_log <= closing then
    raise exception 'log % does not come after log %', next_log, closing;
  end if;
  update audit.logs set closed_at = now(), size = held.size, root = held.root where log = closing;
  foreach name in array array['entries', 'tiles', 'checkpoints'] loop
    old := format('audit.%I', name)::regclass;
    select reloptions into options from pg_class where oid = old;
    select coalesce(array_agg(made), '{}') into again from (
      select format('alter table audit.%I add constraint %I %s', name, conname, pg_get_constraintdef(oid)) as made
        from pg_constraint where conrelid = old and contype in ('p', 'u')
      union all
      select pg_get_indexdef(indexrelid) from pg_index where indrelid = old
         and not exists (select from pg_constraint where conindid = indexrelid and contype in ('p', 'u'))) as all_made;
    for index in select relname from pg_index join pg_class on pg_class.oid = indexrelid where indrelid = old loop
      execute format('alter index audit.%I rename to %I', index, index || '_' || closing);
    end loop;
    execute format('alter table audit.%I rename to %I', name, name || '_' || closing);
    execute format('create table audit.%I (like audit.%I including all excluding indexes)', name, name || '_' || closing);
    if options is not null then
      execute format('alter table audit.%I set (%s)', name, array_to_string(options, ', '));
    end if;
    foreach statement in array again loop
      execute statement;
    end loop;
    execute format('revoke insert on audit.%I from %I', name || '_' || closing, server_role);
    execute format('grant select, insert on audit.%I to %I', name, server_role);
  end loop;
  update audit.head set size = 0, root = sha256('');
  insert into audit.logs (log) values (next_log);
  return closing;
end $$;
revoke execute on function audit.close_log(int, name) from public;

grant select on audit.logs to {{server}};
grant select, insert on audit.log_keys to {{server}};
grant update (retired_at) on audit.log_keys to {{server}};
