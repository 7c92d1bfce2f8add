-- Keys that people sign approvals with (WebAuthn). Only public keys rest here, so that nothing is sealed.

-- The site that every passkey of the deployment is for, fixed by the first: browsers know no key of another one.
create table approvals.site (
  only_one boolean primary key default true check (only_one),
  -- RP ID: the host of the issuer's URL.
  rp_id text not null,
  fixed_at timestamptz not null default clock_timestamp()
);
grant select, insert on approvals.site to {{server}};

create table approvals.passkeys (
  id text primary key,
  credential_id bytea not null unique check (length(credential_id) between 1 and 1023),
  user_id text not null,
  -- COSE_Key (RFC 9052).
  public_key bytea not null,
  algorithm text not null check (algorithm in ('Ed25519', 'ES256', 'RS256')),
  -- The last that it signed with; a copied key is always at 0.
  counter bigint not null check (counter >= 0),
  transports jsonb not null,
  -- Model of the authenticator, as it says itself; nobody vouches for it.
  aaguid text not null,
  is_backup_eligible boolean not null,
  is_backed_up boolean not null,
  -- The user's own words. Personal.
  label text not null check (length(label) between 1 and 60),
  -- As the user's first; by the signature of an older one; or by neither, when none is left.
  admitted_by text not null check (admitted_by in ('first', 'passkey', 'recovery')),
  enrolled_at timestamptz not null default clock_timestamp(),
  -- Its signature counts from then on; infinity: not before somebody confirms it.
  counts_from timestamptz not null default clock_timestamp(),
  last_used_at timestamptz,
  revoked_at timestamptz,
  check (not is_backed_up or is_backup_eligible)
);
create index passkeys_by_user on approvals.passkeys (user_id);
grant select, insert on approvals.passkeys to {{server}};
grant update (counter, is_backed_up, label, counts_from, last_used_at, revoked_at) on approvals.passkeys to {{server}};

-- What a browser was given to make a passkey with. Taking the row is using it.
create table approvals.enrolments (
  -- The WebAuthn challenge.
  challenge bytea primary key check (length(challenge) = 32),
  -- SHA-256 of the browser's cookie.
  browser bytea not null check (length(browser) = 32),
  user_id text not null,
  expires_at timestamptz not null
);
create index enrolments_by_user on approvals.enrolments (user_id);
create index enrolments_over on approvals.enrolments (expires_at);
grant select, insert, delete on approvals.enrolments to {{server}};
