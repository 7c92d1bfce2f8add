-- Client assertions that were used, until they would have expired: none is good twice, at whatever server.
create table sessions.assertions (
  -- SHA-256 of the key's thumbprint and the assertion's jti.
  name bytea primary key check (length(name) = 32),
  expires_at timestamptz not null
);
create index on sessions.assertions (expires_at);

grant select, insert, delete on sessions.assertions to {{server}};
