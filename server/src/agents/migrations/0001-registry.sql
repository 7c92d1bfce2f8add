-- Who may act: agents and operators, the join tokens that make instances of them, the instances, and the SVIDs issued.
create schema agents;

-- Moves with every change of a registration, so that servers reload only when there is something to reload.
create table agents.revision (
  only_row boolean primary key default true check (only_row),
  revision bigint not null default 1
);
insert into agents.revision default values;

create table agents.agents (
  id text primary key,
  name text not null check (name ~ '^[a-z0-9]([a-z0-9._-]{0,61}[a-z0-9])?$'),
  owner text not null,
  description text not null,
  purposes text[] not null,
  -- safeconduct_action details (RFC 9396); nothing outside of them is ever allowed.
  ceiling jsonb not null,
  state text not null default 'active' check (state in ('active', 'suspended', 'retired')),
  created_at timestamptz not null default now(),
  changed_at timestamptz not null default now()
);
-- A retired agent's name may be registered anew: another agent with the same SPIFFE ID and none of its instances.
create unique index on agents.agents (name) where state <> 'retired';

create table agents.operators (
  id text primary key,
  name text not null check (name ~ '^[a-z0-9]([a-z0-9._-]{0,61}[a-z0-9])?$'),
  roles text[] not null check (roles <@ array['admin', 'operator', 'auditor', 'approver'] and roles <> '{}'),
  state text not null default 'active' check (state in ('active', 'retired')),
  created_at timestamptz not null default now(),
  changed_at timestamptz not null default now()
);
create unique index on agents.operators (name) where state <> 'retired';

create table agents.join_tokens (
  -- SHA-256 of the token's random part; the token itself is nowhere.
  hash bytea primary key check (length(hash) = 32),
  kind text not null check (kind in ('agent', 'operator')),
  -- agents.agents or agents.operators, by kind.
  owner text not null,
  created_by text not null,
  created_at timestamptz not null default now(),
  expires_at timestamptz not null,
  used_at timestamptz,
  used_by_key text
);

create table agents.instances (
  id text primary key,
  kind text not null check (kind in ('agent', 'operator')),
  owner text not null,
  name text not null,
  -- SHA-256 of the SubjectPublicKeyInfo, base64url. Unique over all kinds: no key ever stands for two instances.
  key_thumbprint text not null unique,
  enrolled_at timestamptz not null default now()
);
create index on agents.instances (owner);

create table agents.svids (
  -- Lower-case hexadecimal.
  serial text primary key,
  -- Null for a server's own.
  instance text references agents.instances,
  spiffe_id text not null,
  issued_at timestamptz not null default now(),
  not_after timestamptz not null
);
create index on agents.svids (instance, not_after desc);
create index on agents.svids (not_after);

grant usage on schema agents to {{server}};
grant select, update on agents.revision to {{server}};
grant select, insert, update on agents.agents, agents.operators to {{server}};
grant select, insert, update, delete on agents.join_tokens to {{server}};
grant select, insert on agents.instances to {{server}};
grant select, insert, delete on agents.svids to {{server}};
