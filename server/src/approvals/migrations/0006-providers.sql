-- Users who are asked at their own provider (OpenID CIBA), and browsers that were sent to one to prove anew who they are.

-- When it was looked who of those who may decide is asked at their provider.
alter table approvals.requests add column providers_looked_at timestamptz;
grant update (providers_looked_at) on approvals.requests to {{server}};
create index requests_not_looked on approvals.requests (requested_at) where state = 'requested' and providers_looked_at is null;

-- waiting → asking → asked → approved | denied | expired | failed; over: the request ended in another way.
create table approvals.provider_requests (
  id text primary key,
  request text not null references approvals.requests (id),
  -- Who is asked, and who they are there.
  user_id text not null,
  provider text not null,
  issuer text not null,
  subject text not null,
  state text not null default 'waiting'
    check (state in ('waiting', 'asking', 'asked', 'approved', 'denied', 'expired', 'failed', 'over')),
  -- What would be signed, and what both screens show of it.
  challenge bytea check (length(challenge) = 32),
  check_code text,
  -- Sealed: whoever has it could fetch the answer.
  auth_req_id text,
  -- SHA-256 of the bearer that the provider tells us with that there is an answer.
  ping bytea unique check (length(ping) = 32),
  interval_seconds int not null default 5 check (interval_seconds > 0),
  attempts int not null default 0,
  next_at timestamptz not null default clock_timestamp(),
  -- The provider was asked last.
  polled_at timestamptz,
  -- Of the server that has it in hand; after that another one takes it.
  claimed_until timestamptz,
  asked_at timestamptz,
  expires_at timestamptz,
  -- Why it came to nothing: a word of the provider's, or one of ours.
  error text,
  -- Where the provider has us ask the person: its bearer, sealed; what they said; and when it was told.
  channel_bearer text,
  channel_decision text check (channel_decision in ('approve', 'deny')),
  channel_told_at timestamptz,
  unique (request, user_id),
  check (state not in ('asking', 'asked') or (challenge is not null and check_code is not null)),
  check ((state = 'asked') = (auth_req_id is not null))
);
create index provider_requests_due on approvals.provider_requests (next_at) where state in ('waiting', 'asking', 'asked');
create index provider_requests_by_code on approvals.provider_requests (provider, check_code) where state in ('asking', 'asked');
grant select, insert, delete on approvals.provider_requests to {{server}};
grant update (state, challenge, check_code, auth_req_id, ping, interval_seconds, attempts, next_at, polled_at, claimed_until,
  asked_at, expires_at, error, channel_bearer, channel_decision, channel_told_at) on approvals.provider_requests to {{server}};

-- Taking the row is coming back.
create table approvals.step_ups (
  -- SHA-256 of the OAuth state that the browser was sent with, and of its cookie.
  state bytea primary key check (length(state) = 32),
  browser bytea not null check (length(browser) = 32),
  provider text not null,
  user_id text not null,
  -- What is decided by it, in the order in which it is signed.
  requests text[] not null check (cardinality(requests) between 1 and 100),
  -- Language of the card that was shown.
  locale text not null,
  -- Sealed: with the PKCE verifier a code that leaked could be redeemed.
  pending text not null,
  expires_at timestamptz not null
);
create index on approvals.step_ups (expires_at);
create index on approvals.step_ups (user_id);
grant select, insert, delete on approvals.step_ups to {{server}};
