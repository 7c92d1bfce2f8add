-- Keys change seldom, and every server has to know at once: a number beside the epoch, which moves with it.
alter table kernel.epoch add column keys bigint not null default 1;

-- Null once the private part is destroyed: nothing that it signed is good any more, or nothing is to be signed with it.
alter table kernel.keys alter column sealed drop not null;

-- Name of the key-encryption key that every server seals with. The key is in a file on each host, never here.
create table kernel.sealing (
  only_row boolean primary key default true check (only_row),
  key text not null,
  since timestamptz not null default now()
);

-- Servers that run, and the key files that they read: nothing goes over to a key that one of them does not have.
create table kernel.servers (
  id text primary key,
  sealing text not null,
  key_encryption_keys text[] not null,
  log_keys text[] not null,
  seen_at timestamptz not null default now()
);

grant select, insert, update on kernel.sealing to {{server}};
grant select, insert, update, delete on kernel.servers to {{server}};
