-- Applying a document puts it back under the digest that names it, should the one that is stored there have been altered. What
-- was there instead is kept beside it: the server's role can change no version without leaving what it was.
create function policy.put_back(name text, good jsonb, actor text) returns void
language sql security definer set search_path = pg_catalog, pg_temp as $$
  insert into policy.versions (digest, document, applied_by)
    select name || ' altered ' || gen_random_uuid(), document, actor
      from policy.versions where digest = name and document <> good;
  update policy.versions set document = good where digest = name and document <> good;
$$;
revoke all on function policy.put_back from public;
grant execute on function policy.put_back to {{server}};
