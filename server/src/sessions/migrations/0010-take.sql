-- Taking of limits in one round trip, of many requests in one statement.

-- `asked` is [{ request, takings: [{ session, budget, measure, perSeconds, amount, atMost }] }]. In that order, each request takes all
-- that it asks for, or nothing where one does not fit; what it took before is not counted again. Outcomes in the same order: taken,
-- held (by itself, before) or used-up. A function, because each statement has to see what was committed while the locks were waited for.
create function sessions.take(asked jsonb) returns text[]
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  outcomes text[] := '{}';
  asking text;
  takings jsonb;
  added int;
begin
  -- Counts that there are not yet begin at nothing. Then all are locked until the transaction ends, in one order for all.
  insert into sessions.counts (session, budget, measure)
  select distinct w.session, w.budget, w.measure
  from jsonb_array_elements(asked) as a (one),
    jsonb_to_recordset(a.one -> 'takings') as w (session text, budget text, measure text)
  order by 1, 2, 3 on conflict do nothing;
  perform from sessions.counts c
  where (c.session, c.budget, c.measure) in (
    select w.session, w.budget, w.measure
    from jsonb_array_elements(asked) as a (one),
      jsonb_to_recordset(a.one -> 'takings') as w (session text, budget text, measure text)
  )
  order by c.session, c.budget, c.measure for no key update;

  for asking, takings in
    select a.one ->> 'request', a.one -> 'takings' from jsonb_array_elements(asked) with ordinality as a (one, nth) order by a.nth
  loop
    if exists (
      select from jsonb_to_recordset(takings) as w
        (session text, budget text, measure text, "perSeconds" float8, amount numeric, "atMost" numeric)
      join sessions.counts c on (c.session, c.budget, c.measure) = (w.session, w.budget, w.measure)
      left join sessions.spendings own
        on (own.request, own.session, own.budget, own.measure) = (asking, w.session, w.budget, w.measure)
      where (w.amount <= w."atMost" - case
        when w."perSeconds" is null then c.spent - coalesce(own.amount, 0)
        else coalesce((select sum(s.amount) from sessions.spendings s
          where s.session = w.session and s.budget = w.budget and s.measure = w.measure and s.request <> asking
            and s.at > clock_timestamp() - make_interval(secs => w."perSeconds")), 0) end) is not true
    ) then
      outcomes := outcomes || text 'used-up';
    else
      with taken as (
        insert into sessions.spendings (request, session, budget, measure, amount)
        select distinct on (w.session, w.budget, w.measure) asking, w.session, w.budget, w.measure, w.amount
        from jsonb_to_recordset(takings) as w (session text, budget text, measure text, amount numeric)
        on conflict do nothing returning session, budget, measure, amount
      ), counted as (
        update sessions.counts c set spent = c.spent + taken.amount from taken
        where (c.session, c.budget, c.measure) = (taken.session, taken.budget, taken.measure)
      )
      select count(*) into added from taken;
      outcomes := outcomes || case when added > 0 then text 'taken' else text 'held' end;
    end if;
  end loop;
  return outcomes;
end $$;

revoke all on function sessions.take(jsonb) from public;
grant execute on function sessions.take(jsonb) to {{server}};
