-- The revocation epoch, the deployment's name for itself, and signing keys sealed under the key-encryption key.
create table kernel.epoch (
  only_row boolean primary key default true check (only_row),
  epoch bigint not null default 1
);
insert into kernel.epoch default values;

create table kernel.deployment (
  only_row boolean primary key default true check (only_row),
  -- Eight base 32 characters; part of every role name that this deployment makes at a resource.
  id text not null check (id ~ '^[0-9a-hjkmnp-tv-z]{8}$'),
  trust_domain text not null,
  created_at timestamptz not null default now()
);

create table kernel.keys (
  kid text primary key,
  -- What it signs: token, mandate, ca-root, ca-intermediate.
  use text not null,
  -- SubjectPublicKeyInfo, or the certificate of a CA key, DER.
  public bytea not null,
  -- PKCS#8, sealed by kernel/keyring.ts under the context kernel.keys/<kid>.
  sealed text not null,
  created_at timestamptz not null default now(),
  -- Signs from here; published at once.
  active_from timestamptz not null default now(),
  retired_at timestamptz
);

grant usage on schema kernel to {{server}};
grant select on kernel.migrations to {{server}};
grant select, update on kernel.epoch to {{server}};
grant select, insert on kernel.deployment to {{server}};
grant select, insert, update on kernel.keys to {{server}};
