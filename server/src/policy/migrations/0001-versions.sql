-- Every document that was ever applied, by digest, and the one in force.
create schema policy;

create table policy.versions (
  -- SHA-256 of the canonical document (RFC 8785), base64url.
  digest text primary key,
  -- { purposes, resources, agents, policies: [{ file, text }] }
  document jsonb not null,
  applied_at timestamptz not null default now(),
  -- SPIFFE ID of who applied it first.
  applied_by text not null
);

create table policy.in_force (
  only_row boolean primary key default true check (only_row),
  digest text not null references policy.versions,
  applied_at timestamptz not null default now(),
  applied_by text not null
);

grant usage on schema policy to {{server}};
grant select, insert on policy.versions to {{server}};
grant select, insert, update on policy.in_force to {{server}};
