-- Client secrets that OpenID providers gave us, where we are known to them by one.
create table sessions.provider_secrets (
  provider text primary key,
  -- Whose secret it is: a provider that is configured with another issuer or client since then is not shown it.
  issuer text not null,
  client_id text not null,
  -- Under the context sessions.provider_secrets/<provider> <issuer> <client>.
  sealed text not null,
  changed_at timestamptz not null default now()
);

grant select, insert, update on sessions.provider_secrets to {{server}};
