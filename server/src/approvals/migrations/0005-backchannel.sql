-- What agents ask by OpenID CIBA: each row leads to a request for approval, and gives one access token at the most.

create table approvals.backchannel_requests (
  -- SHA-256 of the auth_req_id.
  hash bytea primary key check (length(hash) = 32),
  request text not null references approvals.requests (id),
  -- Who asked, and alone may ask what became of it.
  agent text not null,
  instance text not null,
  -- Seconds between two polls; more after each that came too soon.
  interval_seconds int not null check (interval_seconds > 0),
  asked_at timestamptz not null default clock_timestamp(),
  polled_at timestamptz,
  redeemed_at timestamptz,
  -- What a ping says and is authenticated by, sealed; null when none is owed (any more).
  ping text,
  pings int not null default 0 check (pings >= 0),
  ping_due_at timestamptz,
  check ((ping is null) = (ping_due_at is null))
);
-- However many names there are for a request, one of them is redeemed.
create unique index backchannel_redeemed on approvals.backchannel_requests (request) where redeemed_at is not null;
create index backchannel_pings on approvals.backchannel_requests (ping_due_at) where ping is not null;
create index backchannel_by_age on approvals.backchannel_requests (asked_at);
grant select, insert, delete on approvals.backchannel_requests to {{server}};
grant update (interval_seconds, polled_at, redeemed_at, ping, pings, ping_due_at)
  on approvals.backchannel_requests to {{server}};

-- By which name an agent knows a user from ID tokens: random, and another one for each agent (OpenID Connect Core §8.1).
create table approvals.subjects (
  agent_id text not null,
  user_id text not null,
  subject text not null unique,
  primary key (agent_id, user_id)
);
grant select, insert on approvals.subjects to {{server}};
