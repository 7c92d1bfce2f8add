-- The log: entries and the tiles over them only ever grow. The one row that changes is the head, and its lock is what
-- gives all servers one order.
create schema audit;

create table audit.entries (
  index bigint primary key check (index >= 0),
  -- Collation C: compared as bytes, which halves what the indexes cost.
  id text collate "C" not null unique,
  event text collate "C" not null,
  session text collate "C",
  at timestamptz not null,
  -- RFC 8785 JSON. Its hash is not stored beside it: a leaf that was changed must not look unchanged.
  leaf bytea not null check (octet_length(leaf) <= 65535)
);
create index entries_by_event on audit.entries (event, index);
create index entries_by_session on audit.entries (session, index) where session is not null;

-- Full tiles of C2SP tlog-tiles; partial ones are computed when asked for.
create table audit.tiles (
  level smallint not null check (level between 0 and 63),
  index bigint not null check (index >= 0),
  hashes bytea not null check (octet_length(hashes) = 8192),
  -- Hash of the whole tile, which is one hash of the tile above.
  root bytea not null check (octet_length(root) = 32),
  primary key (level, index)
);

create table audit.head (
  only_row boolean primary key default true check (only_row),
  size bigint not null default 0,
  -- RFC 6962 §2.1 tree hash of all leaves; of none, SHA-256 of nothing.
  root bytea not null default sha256('')
) with (fillfactor = 10);
insert into audit.head default values;

-- Every checkpoint that was ever signed, as a C2SP signed note.
create table audit.checkpoints (
  size bigint primary key,
  root bytea not null,
  note text not null,
  signed_at timestamptz not null default now()
);

-- Entries that promised an outcome and have none yet.
create table audit.intents (
  id text collate "C" primary key,
  event text not null,
  session text,
  deadline timestamptz not null
);
create index intents_by_deadline on audit.intents (deadline);

-- What the commitments in a leaf stand for, until it is erased.
create table audit.disclosures (
  entry text collate "C" not null references audit.entries (id),
  name text collate "C" not null,
  salt bytea not null,
  -- RFC 8785 JSON; the commitment is HMAC-SHA256(salt, these bytes).
  value text not null,
  primary key (entry, name)
);

-- Erases the personal values of an entry: only when the log holds an entry that says so. Returns how many were erased.
create function audit.erase(erased_entry text, telling_entry text) returns bigint
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  told text;
  erased bigint;
begin
  select convert_from(leaf, 'UTF8')::jsonb #>> '{data,entry}' into told
    from audit.entries where id = telling_entry and event = 'audit.erased';
  if told is distinct from erased_entry then
    raise exception 'no entry of the log tells of this erasure' using errcode = 'insufficient_privilege';
  end if;
  delete from audit.disclosures where entry = erased_entry;
  get diagnostics erased = row_count;
  return erased;
end $$;
revoke execute on function audit.erase(text, text) from public;

grant usage on schema audit to {{server}};
grant select, insert on audit.entries, audit.tiles, audit.checkpoints, audit.disclosures to {{server}};
grant select, update on audit.head to {{server}};
grant select, insert, update, delete on audit.intents to {{server}};
grant execute on function audit.erase(text, text) to {{server}};
