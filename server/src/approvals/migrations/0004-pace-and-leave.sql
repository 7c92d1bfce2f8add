-- How often people are asked, what they leave to agents beforehand, and whom they have reported.

-- One kind of request: an agent, whom it acts for, and an operation of a resource. One row of each, however much is asked.
create table approvals.kinds (
  agent text not null,
  -- Whom it is done for; '' for nobody.
  user_id text not null,
  resource text not null,
  operation text not null,
  -- When it was asked for, as far as that still counts; never more than make a burst.
  asked_at timestamptz[] not null default '{}',
  -- Until then it is answered without asking anybody.
  cooling_until timestamptz,
  cooling_since_bulk boolean not null default false,
  changed_at timestamptz not null default clock_timestamp(),
  primary key (agent, user_id, resource, operation)
);
grant select, insert, delete on approvals.kinds to {{server}};
grant update (asked_at, cooling_until, cooling_since_bulk, changed_at) on approvals.kinds to {{server}};

create index requests_by_agent on approvals.requests (agent, requested_at desc);
create index requests_by_time on approvals.requests (requested_at);

-- In whose place somebody decided, by requirement: {group: user}.
alter table approvals.decisions add column stands_for jsonb not null default '{}';

-- Leave for more of the same, within bounds that the user signed with an approval.
create table approvals.grants (
  id text primary key,
  -- The request with whose approval it was given.
  request text not null unique references approvals.requests (id),
  -- Who gave it, for themselves.
  user_id text not null,
  agent text not null,
  instance text not null,
  session text not null,
  type text not null,
  resource text not null,
  operation text not null,
  policy_version text,
  -- What the person was asked for when they gave it: it stands for nothing stronger.
  rung text not null check (rung in ('tap', 'sign')),
  uses int not null check (uses > 0),
  -- Null once it is long over. Personal.
  bounds jsonb,
  given_at timestamptz not null default clock_timestamp(),
  until timestamptz not null,
  ended_at timestamptz,
  -- Id of the user, an operator's SPIFFE ID, or "server".
  ended_by text,
  check ((ended_at is null) = (ended_by is null))
);
create index grants_by_session on approvals.grants (session);
create index grants_by_user on approvals.grants (user_id, given_at desc);
grant select, insert on approvals.grants to {{server}};
grant update (bounds, ended_at, ended_by) on approvals.grants to {{server}};

-- Agents that somebody stopped by reporting a request, until somebody else lifts it.
create table approvals.reports (
  id text primary key,
  request text not null unique references approvals.requests (id),
  agent text not null,
  -- Id of the user who reported it.
  reporter text not null,
  -- Whom alone the agent may not act for; null: it is stopped for everybody.
  user_id text,
  reported_at timestamptz not null default clock_timestamp(),
  lifted_at timestamptz,
  -- SPIFFE ID of the operator.
  lifted_by text,
  check ((lifted_at is null) = (lifted_by is null))
);
create index reports_standing on approvals.reports (agent) where lifted_at is null;
grant select, insert on approvals.reports to {{server}};
grant update (lifted_at, lifted_by) on approvals.reports to {{server}};
