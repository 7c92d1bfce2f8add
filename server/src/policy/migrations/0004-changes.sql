-- Configurations that one operator wants to apply, and another one has not signed yet.
create table policy.changes (
  id text primary key,
  -- SHA-256 of the canonical document (RFC 8785), base64url.
  digest text not null,
  document jsonb not null,
  -- The version in force that it was compared with; null for none.
  expected text,
  -- SPIFFE ID and id of the operator.
  proposed_by text not null,
  operator text not null,
  proposed_at timestamptz not null default clock_timestamp(),
  expires_at timestamptz not null,
  state text not null default 'waiting' check (state in ('waiting', 'applied', 'denied')),
  decided_by text,
  decided_at timestamptz
);
create index changes_waiting on policy.changes (proposed_at) where state = 'waiting';
grant select, insert on policy.changes to {{server}};
grant update (state, decided_by, decided_at) on policy.changes to {{server}};
