-- How people are reached: channels, contacts, and what became of each notice.

-- Secrets of channels, sealed; each for the place that `bound` names. `facts` is not secret: the public half of a key.
create table approvals.channel_secrets (
  channel text primary key check (channel in ('push', 'email', 'sms', 'webhook')),
  bound text not null,
  sealed text not null,
  facts text,
  changed_at timestamptz not null default clock_timestamp()
);
grant select, insert on approvals.channel_secrets to {{server}};
grant update (bound, sealed, facts, changed_at) on approvals.channel_secrets to {{server}};

-- A person whom something was to be told. Whoever has a claim on the row tells them: one server at a time.
create table approvals.people (
  user_id text primary key,
  locale text not null default 'en' check (locale in ('en', 'de')),
  -- Sealed; null: none.
  quiet_hours text,
  -- Codes that were sent for them on that day: whoever gets one may be a stranger.
  codes int not null default 0,
  codes_on date,
  -- When something last made a sound.
  buzzed_at timestamptz,
  claim text,
  claimed_until timestamptz,
  check ((claim is null) = (claimed_until is null))
);
grant select, insert, delete on approvals.people to {{server}};
grant update (locale, quiet_hours, codes, codes_on, buzzed_at, claim, claimed_until) on approvals.people to {{server}};

-- Endpoint, address or number, sealed. It counts once it is known whose it is.
create table approvals.contacts (
  id text primary key,
  user_id text not null,
  kind text not null check (kind in ('push', 'email', 'sms')),
  sealed text not null,
  -- A browser that is signed in, a code that was sent there, or claims of the provider.
  verified_by text check (verified_by in ('browser', 'code', 'provider')),
  -- Sealed; null when none is waited for.
  code text,
  code_expires_at timestamptz,
  code_tries int not null default 0,
  created_at timestamptz not null default clock_timestamp(),
  check ((code is null) = (code_expires_at is null)),
  check (verified_by is null or code is null)
);
create index contacts_by_user on approvals.contacts (user_id);
grant select, insert, delete on approvals.contacts to {{server}};
grant update (sealed, verified_by, code, code_expires_at, code_tries) on approvals.contacts to {{server}};

-- Who stands in for whom, for which groups, and until when. Nobody stands in for somebody who stands in.
create table approvals.stand_ins (
  id text primary key,
  user_id text not null,
  stand_in text not null,
  groups jsonb not null check (jsonb_typeof(groups) = 'array'),
  starts_at timestamptz not null,
  ends_at timestamptz not null,
  revoked_at timestamptz,
  created_at timestamptz not null default clock_timestamp(),
  check (user_id <> stand_in),
  check (ends_at > starts_at and ends_at <= starts_at + interval '90 days')
);
create index stand_ins_by_user on approvals.stand_ins (user_id, ends_at);
create index stand_ins_by_stand_in on approvals.stand_ins (stand_in, ends_at);
grant select, insert on approvals.stand_ins to {{server}};
grant update (revoked_at) on approvals.stand_ins to {{server}};

-- waiting → told | seen | over | unreachable. One that asks waits until a person has seen it or it is over.
alter table approvals.notices
  add column is_critical boolean not null default false,
  -- The person in whose place this one is told; null: their own.
  add column stands_in_for text,
  add column state text not null default 'waiting'
    check (state in ('waiting', 'told', 'seen', 'over', 'unreachable')),
  -- Channels of the order that were tried.
  add column step int not null default 0 check (step >= 0),
  add column due_at timestamptz not null default clock_timestamp(),
  add column delivered_at timestamptz,
  -- A device has it.
  add column received_at timestamptz,
  add column seen_at timestamptz,
  add column passed_on_at timestamptz;
create index notices_due on approvals.notices (due_at) where state = 'waiting';
create index notices_by_request on approvals.notices (request) where request is not null;
grant update (state, step, due_at, delivered_at, received_at, seen_at, passed_on_at) on approvals.notices to {{server}};
grant delete on approvals.notices to {{server}};

create table approvals.deliveries (
  notice text not null references approvals.notices (id) on delete cascade,
  channel text not null check (channel in ('push', 'email', 'sms', 'webhook')),
  outcome text not null check (outcome in ('delivered', 'undelivered')),
  reason text,
  at timestamptz not null default clock_timestamp(),
  check ((outcome = 'undelivered') = (reason is not null))
);
create index deliveries_by_notice on approvals.deliveries (notice);
grant select, insert on approvals.deliveries to {{server}};
