-- Command lines that ask people, in their browsers, to act for them as operators. Secrets stand here as SHA-256 only.

-- begun → signed-in → allowed → redeemed; signed-in → denied. Past expires_at it is none of these.
create table sessions.operator_requests (
  id text primary key,
  state text not null check (state in ('begun', 'signed-in', 'allowed', 'redeemed', 'denied')),
  asked jsonb not null,
  -- Of the cookie: whoever says yes is who began.
  browser bytea not null check (length(browser) = 32),
  -- Who signed in, and what the provider's claims are worth.
  arrival jsonb,
  signed_in_at timestamptz,
  code bytea unique check (length(code) = 32),
  -- The key that the code was used with: with it, and no other, it may be used again while it is good.
  key_thumbprint text,
  expires_at timestamptz not null,
  check ((state = 'begun') = (arrival is null)),
  check ((arrival is null) = (signed_in_at is null)),
  check ((state in ('allowed', 'redeemed')) = (code is not null)),
  check ((state = 'redeemed') = (key_thumbprint is not null))
);
create index on sessions.operator_requests (expires_at);

grant select, insert, delete on sessions.operator_requests to {{server}};
grant update (state, arrival, signed_in_at, code, key_thumbprint, expires_at) on sessions.operator_requests to {{server}};

alter table sessions.sign_ins add column operator text references sessions.operator_requests (id) on delete cascade;
alter table sessions.sign_ins add check (request is null or operator is null);
