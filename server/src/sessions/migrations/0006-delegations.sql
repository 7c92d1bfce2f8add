-- Offers: what a session hands on, until an instance of the agent that it is for takes it up. Good once.

create table sessions.delegations (
  id text primary key,
  -- The session that hands it on. Once that has ended, nobody takes the offer up.
  session text not null references sessions.sessions (id),
  -- Whom it is for; the registration, because a name may become another agent's.
  agent text not null,
  agent_id text not null,
  purpose text not null,
  -- As they were attenuated when it was offered; they are intersected again when it is taken up.
  details jsonb not null,
  lifetime_seconds int check (lifetime_seconds > 0),
  hard_end_seconds int check (hard_end_seconds > 0),
  -- Of the log, where it was allowed.
  entry text not null,
  offered_at timestamptz not null default now(),
  expires_at timestamptz not null,
  -- When it was taken up; null while it is open.
  accepted_at timestamptz
);
create index delegations_by_expiry on sessions.delegations (expires_at);

grant select, insert, delete on sessions.delegations to {{server}};
grant update (accepted_at) on sessions.delegations to {{server}};
