-- What sessions used up of their limits, what they have seen, and what was made in them.

create table sessions.counts (
  session text not null references sessions.sessions (id),
  -- Limits that share a budget count together.
  budget text not null,
  -- uses, or sum:<argument>.
  measure text not null,
  spent numeric not null default 0 check (spent >= 0),
  primary key (session, budget, measure)
);
grant select, insert on sessions.counts to {{server}};
grant update (spent) on sessions.counts to {{server}};

-- One row for what one request took of one count: to give it back, to take it once, and to see what was taken lately.
create table sessions.spendings (
  request text not null,
  session text not null,
  budget text not null,
  measure text not null,
  amount numeric not null check (amount >= 0),
  at timestamptz not null default clock_timestamp(),
  primary key (request, session, budget, measure),
  foreign key (session, budget, measure) references sessions.counts (session, budget, measure)
);
create index spendings_lately on sessions.spendings (session, budget, measure, at);
grant select, insert, delete on sessions.spendings to {{server}};

-- By the first session of a chain: what one of it has seen, all of it may know.
create table sessions.labels (
  root text not null references sessions.sessions (id),
  label text not null,
  since timestamptz not null default now(),
  -- The transaction that added it: servers ask for labels of transactions that they have not seen.
  added_in xid8 not null default pg_current_xact_id(),
  primary key (root, label)
);
create index labels_added_in on sessions.labels (added_in);
grant select, insert on sessions.labels to {{server}};

create table sessions.made (
  session text not null references sessions.sessions (id),
  kind text not null,
  -- As the resource names it.
  object text not null,
  at timestamptz not null default now(),
  primary key (session, kind, object)
);
grant select, insert on sessions.made to {{server}};
