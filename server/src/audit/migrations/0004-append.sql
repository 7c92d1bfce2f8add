/*
 * Appends entries to the log whose head is (old_size, old_root), and returns the revocation epoch; null, and nothing is
 * written, when the head is another. One call instead of a round trip for each statement: with the head locked, everybody
 * else waits for each of them. It has no more rights than its caller.
 */
create function audit.append(
  old_size bigint, old_root bytea, new_size bigint, new_root bytea,
  -- By entry. `leaves` are one after another; a deadline is in seconds from now, null for an entry that is no intent.
  ids text[], events text[], sessions text[], times timestamptz[], deadlines float8[], lengths int[], leaves bytea,
  -- Tiles that became full: 8,192 bytes of hashes each, and 32 of the hash of them all.
  levels smallint[], indexes bigint[], hashes bytea, roots bytea
) returns bigint
language plpgsql as $$
declare
  current_epoch bigint;
begin
  -- First of all: whoever has moved the head is the only one to append until the transaction ends.
  update audit.head set size = new_size, root = new_root where size = old_size and root = old_root;
  if not found then
    return null;
  end if;
  insert into audit.entries (index, id, event, session, at, leaf)
    select old_size + nth - 1, id, event, session, at, substring(leaves from ending::int - length + 1 for length)
      from (select *, sum(length) over (order by nth) as ending
              from unnest(ids, events, sessions, times, lengths)
                with ordinality as e (id, event, session, at, length, nth)) as placed;
  if cardinality(levels) > 0 then
    insert into audit.tiles (level, index, hashes, root)
      select level, index, substring(hashes from (nth::int - 1) * 8192 + 1 for 8192),
             substring(roots from (nth::int - 1) * 32 + 1 for 32)
        from unnest(levels, indexes) with ordinality as t (level, index, nth);
  end if;
  insert into audit.intents (id, event, session, deadline)
    select id, event, session, clock_timestamp() + make_interval(secs => seconds)
      from unnest(ids, events, sessions, deadlines) as i (id, event, session, seconds)
     where seconds is not null;
  -- A statement of its own, so that its snapshot is newer than the head's lock: whatever moves the epoch holds that lock
  -- when it commits.
  select epoch into current_epoch from kernel.epoch;
  return current_epoch;
end $$;
revoke execute on function audit.append from public;
grant execute on function audit.append to {{server}};
