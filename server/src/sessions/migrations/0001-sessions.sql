-- Purposes in force, and every session that was ever opened.
create schema sessions;

create table sessions.purposes (
  name text primary key,
  -- As safeconduct.yaml has it, defaults filled in.
  definition jsonb not null
);

create table sessions.sessions (
  id text primary key,
  agent text not null,
  -- The session is this instance's: another one with the same SPIFFE ID is a stranger to it.
  instance text not null,
  -- Certificate serial of the SVID that opened it, hexadecimal.
  svid text not null,
  purpose text not null,
  -- Compact JWS, typ mandate+jwt.
  mandate text not null,
  -- Issuer and subject of the user who delegated, and the hops in between: written by delegation.
  "user" jsonb,
  chain jsonb not null default '[]',
  lifetime_seconds int not null check (lifetime_seconds > 0),
  idle_seconds int not null check (idle_seconds > 0),
  lease_seconds int not null check (lease_seconds > 0),
  state text not null default 'open' check (state in ('open', 'ended')),
  end_reason text check (end_reason in ('ended', 'lapsed', 'expired', 'suspended')),
  opened_at timestamptz not null default now(),
  expires_at timestamptz not null,
  hard_end_at timestamptz not null,
  last_used_at timestamptz not null default now(),
  ended_at timestamptz,
  -- The transaction that ended it: servers ask for what ended in transactions that they have not seen.
  ended_in xid8,
  check (expires_at <= hard_end_at),
  check ((state = 'ended') = (end_reason is not null and ended_at is not null and ended_in is not null))
);

create index sessions_due on sessions.sessions (expires_at) where state = 'open';
create index sessions_ended_in on sessions.sessions (ended_in) where state = 'ended';
create index sessions_by_agent on sessions.sessions (agent, opened_at desc);

grant usage on schema sessions to {{server}};
grant select, insert, update, delete on sessions.purposes to {{server}};
grant select, insert on sessions.sessions to {{server}};
grant update (state, end_reason, expires_at, last_used_at, ended_at, ended_in) on sessions.sessions to {{server}};
