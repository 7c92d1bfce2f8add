-- What is asked of users on its way through their browsers, what they allowed, and who is signed in with which browser.
-- Secrets of browsers, request URIs and codes stand here as SHA-256 only.

create table sessions.consents (
  id text primary key,
  user_id text not null references sessions.users (id),
  agent text not null,
  -- The registration: an agent that takes the name over later has none of its consents.
  agent_id text not null,
  purpose text not null,
  application text,
  -- What was granted, RFC 9396, and what could have been.
  details jsonb not null,
  asked jsonb not null,
  hard_end_seconds int not null check (hard_end_seconds > 0),
  -- Canonical JSON of what was shown, from which the page can be drawn again, and its SHA-256.
  text text not null,
  text_digest text not null,
  given_at timestamptz not null default clock_timestamp(),
  -- A newer one for the same stands in its place; sessions that were opened by it go on.
  replaced_at timestamptz,
  revoked_at timestamptz
);
-- At the most one is remembered for the same.
create unique index consents_remembered on sessions.consents (user_id, agent_id, purpose, coalesce(application, ''))
  where replaced_at is null and revoked_at is null;
create index consents_by_user on sessions.consents (user_id);

grant select, insert on sessions.consents to {{server}};
grant update (replaced_at, revoked_at) on sessions.consents to {{server}};

-- pushed → begun → signed-in → allowed → redeemed; signed-in → denied. Past expires_at it is none of these.
create table sessions.authorization_requests (
  id text primary key,
  state text not null check (state in ('pushed', 'begun', 'signed-in', 'allowed', 'redeemed', 'denied')),
  asked jsonb not null,
  request_uri bytea unique check (length(request_uri) = 32),
  -- Of the cookie: whoever goes on is who began.
  browser bytea check (length(browser) = 32),
  "user" jsonb,
  provider_session text,
  granted jsonb,
  code bytea unique check (length(code) = 32),
  -- What was opened with the code; a code that comes again ends it.
  session text,
  expires_at timestamptz not null,
  check ((state = 'pushed') = (browser is null)),
  check ((state in ('pushed', 'begun')) = ("user" is null)),
  check ((state in ('allowed', 'redeemed')) = (granted is not null)),
  check ((state = 'redeemed') = (session is not null))
);
create index on sessions.authorization_requests (expires_at);
create index on sessions.authorization_requests (id) where state = 'begun' and request_uri is null;

grant select, insert, delete on sessions.authorization_requests to {{server}};
grant update (state, browser, "user", provider_session, granted, code, session, expires_at)
  on sessions.authorization_requests to {{server}};

-- A browser that was sent to a provider. Taking the row is coming back.
create table sessions.sign_ins (
  -- SHA-256 of the OAuth state that it was sent with.
  state bytea primary key check (length(state) = 32),
  browser bytea not null check (length(browser) = 32),
  provider text not null,
  -- Sealed: with the PKCE verifier a code that leaked could be redeemed.
  pending text not null,
  -- What the user signs in for; null for their own page.
  request text references sessions.authorization_requests (id) on delete cascade,
  expires_at timestamptz not null
);
create index on sessions.sign_ins (expires_at);
grant select, insert, delete on sessions.sign_ins to {{server}};

-- Somebody who is signed in with a browser.
create table sessions.browsers (
  -- SHA-256 of the cookie.
  cookie bytea primary key check (length(cookie) = 32),
  "user" jsonb not null,
  user_id text generated always as ("user" ->> 'id') stored,
  provider_session text,
  -- When the provider last saw who it is.
  signed_in_at timestamptz not null,
  last_seen_at timestamptz not null default clock_timestamp(),
  expires_at timestamptz not null
);
create index on sessions.browsers (user_id);
create index on sessions.browsers (expires_at);
grant select, insert, delete on sessions.browsers to {{server}};
grant update (last_seen_at) on sessions.browsers to {{server}};
