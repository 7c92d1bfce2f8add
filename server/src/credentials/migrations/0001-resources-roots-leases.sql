-- What is protected, the account that we hold there, and every key that was ever made from it.
create schema credentials;

create table credentials.resources (
  name text primary key,
  -- The part of safeconduct.yaml under its name, checked and with defaults filled in.
  part jsonb not null,
  changed_at timestamptz not null default now()
);

create table credentials.roots (
  resource text primary key references credentials.resources on delete cascade,
  username text not null,
  -- Both passwords under the context credentials.roots/<resource>. While rotating, either may be the one that works.
  sealed text not null,
  sealed_pending text,
  state text not null check (state in ('rotating', 'ready')),
  changed_at timestamptz not null default now()
);

-- One server at a time compares a resource with the ledger.
create table credentials.rounds (
  resource text primary key references credentials.resources on delete cascade,
  begun_at timestamptz not null default now()
);

create table credentials.leases (
  id text primary key,
  session text not null,
  agent text not null,
  instance text not null,
  svid text not null,
  purpose text not null,
  resource text not null,
  operation text not null,
  -- The resource as it was at the intent: a lease holds all that its revocation needs.
  part jsonb not null,
  state text not null check (state in ('intended', 'live', 'revoking', 'revoked', 'expired', 'stuck')),
  role_name text not null unique,
  role_oid text,
  -- The credential under the context credentials.leases/<id>; emptied when the lease ends.
  sealed text,
  idempotency_key text not null,
  intended_at timestamptz not null default now(),
  live_at timestamptz,
  expires_at timestamptz not null,
  hard_end_at timestamptz not null,
  last_active_at timestamptz,
  -- Why it ends, set with `revoking`; `expired` decides the final state.
  ending text,
  -- Until then the server that claimed the revocation works on it.
  claimed_until timestamptz,
  dropped_at timestamptz,
  revoked_at timestamptz,
  attempts int not null default 0,
  evidence jsonb not null default '{}',
  begin_entry text,
  unique (session, idempotency_key),
  check (expires_at <= hard_end_at)
);
create index leases_open on credentials.leases (resource, session)
  where state in ('intended', 'live', 'revoking', 'stuck');
create index leases_due on credentials.leases (expires_at) where state = 'live';
create index leases_unfinished on credentials.leases (claimed_until) where state in ('intended', 'revoking', 'stuck');
create index leases_newest on credentials.leases (intended_at desc, id);
create index leases_ended on credentials.leases (revoked_at) where revoked_at is not null;

grant usage on schema credentials to {{server}};
grant select, insert, update, delete on credentials.resources, credentials.roots, credentials.rounds to {{server}};
grant select, insert, update on credentials.leases to {{server}};
