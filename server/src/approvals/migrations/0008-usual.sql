-- What somebody approved before, so that a card can show what is unlike it. Values stand as salted marks.

create table approvals.usual (
  user_id text not null,
  resource text not null,
  operation text not null,
  argument text not null,
  -- Of this row alone.
  salt bytea not null,
  -- HMAC-SHA256(salt, canonical JSON of the value).
  mark bytea not null,
  -- The value where it is a number: sums are compared by size.
  amount double precision,
  approved_at timestamptz not null default clock_timestamp()
);
create index usual_by_argument on approvals.usual (user_id, resource, operation, argument, approved_at desc);
grant select, insert, delete on approvals.usual to {{server}};
