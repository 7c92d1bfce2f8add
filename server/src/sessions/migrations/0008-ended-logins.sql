-- Sessions at providers that are over: a token of such a login opens nothing any more, however long it would be good.
create table sessions.ended_logins (
  -- SHA-256 of the issuer with the session there, or with the subject.
  name bytea primary key check (length(name) = 32),
  -- Tokens that the provider issued until then, by its clock; infinity for all of a session.
  until timestamptz not null,
  recorded_at timestamptz not null default clock_timestamp()
);
create index on sessions.ended_logins (recorded_at);

grant select, insert, delete on sessions.ended_logins to {{server}};
grant update (until, recorded_at) on sessions.ended_logins to {{server}};
