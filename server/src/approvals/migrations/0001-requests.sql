-- What people were asked to approve, what each of them said, and what they are told.

create schema approvals;
grant usage on schema approvals to {{server}};

-- The configuration's part; one row.
create table approvals.configuration (
  only_one boolean primary key default true check (only_one),
  definition jsonb not null
);
grant select, insert, update, delete on approvals.configuration to {{server}};

create table approvals.requests (
  id text primary key,
  -- 128 random bits: no two statements are alike, and none can be guessed.
  nonce bytea not null,
  session text not null,
  -- First session of the chain.
  root text not null,
  agent text not null,
  spiffe_id text not null,
  instance text not null,
  -- What the agent proved its key with when it asked (RFC 7800 §3.1).
  confirmation jsonb not null,
  purpose text not null,
  -- Whom it is done for; null for nobody.
  user_id text,
  application text,
  chain jsonb not null,
  -- Type, resource, operation and arguments; null once it is long over. Personal.
  action jsonb,
  action_id text not null,
  action_digest text not null,
  action_salt text not null,
  policy_version text,
  policies jsonb not null,
  -- Whose approvals it takes: [{ of, rung, required, members }].
  requirements jsonb not null,
  -- What cards are drawn from; null once it is long over. Personal.
  facts jsonb,
  -- Requests that one card shows together.
  bundle text not null,
  -- The gate's entry that says that the action waits.
  entry text not null,
  state text not null default 'requested'
    check (state in ('requested', 'approved', 'denied', 'reported', 'expired', 'withdrawn')),
  -- Why it ended, where more than one thing may have ended it.
  reason text,
  requested_at timestamptz not null default clock_timestamp(),
  expires_at timestamptz not null,
  decided_at timestamptz,
  -- An approval is good until then.
  use_before timestamptz,
  used_at timestamptz,
  -- The gate's entry that allowed the action.
  used_by text,
  -- Idempotency-Key of the request that used it: the same again gets the same answer.
  used_key text,
  check ((used_at is null) = (used_by is null)),
  check (used_at is null or state = 'approved')
);
create index requests_waiting on approvals.requests (expires_at) where state = 'requested';
create index requests_by_session on approvals.requests (session, requested_at desc);
create index requests_by_user on approvals.requests (user_id, requested_at desc) where user_id is not null;
create index requests_by_bundle on approvals.requests (bundle);
create index requests_by_requirement on approvals.requests using gin (requirements jsonb_path_ops);
grant select, insert on approvals.requests to {{server}};
grant update (state, reason, decided_at, use_before, used_at, used_by, used_key, action, facts, expires_at, bundle)
  on approvals.requests to {{server}};

create table approvals.decisions (
  request text not null references approvals.requests (id),
  -- Id of the user, or an operator's SPIFFE ID.
  approver text not null,
  decision text not null check (decision in ('approve', 'deny', 'report')),
  -- How the approver was known to be who they are.
  way text not null check (way in ('session', 'passkey', 'step-up', 'provider', 'operator')),
  -- Requirements that it counts for.
  counts_for jsonb not null,
  decided_at timestamptz not null default clock_timestamp(),
  primary key (request, approver)
);
grant select, insert on approvals.decisions to {{server}};

-- What somebody is to be told; written in the transaction of what they are told of.
create table approvals.notices (
  id text primary key,
  user_id text not null,
  kind text not null check (kind in ('asked', 'told', 'reported', 'enrolled', 'lost', 'refused')),
  -- The request that it is about, or the gate's entry.
  request text,
  entry text,
  created_at timestamptz not null default clock_timestamp(),
  -- Not worth telling afterwards; null: always.
  expires_at timestamptz
);
create index notices_by_user on approvals.notices (user_id, created_at desc);
grant select, insert on approvals.notices to {{server}};
