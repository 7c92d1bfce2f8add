-- What the HR department adds for agents, after `safeconduct credentials postgres prepare hr` made the group roles and the schema
-- safeconduct. Who the lease is for, and what it was approved for, go by the account that logged in, which no setting changes.

-- Whoever the agent acts for has to be of HR.
alter table employees enable row level security;
alter table salaries enable row level security;
create policy application on employees to hr_app using (true) with check (true);
create policy application on salaries to hr_app using (true) with check (true);
create policy of_hr on employees to hr_look, hr_onboard, hr_offboard
  using ('hr' = any ((select safeconduct.claims('groups'))::text[]));
create policy of_hr on salaries to hr_look, hr_raise
  using ('hr' = any ((select safeconduct.claims('groups'))::text[]));

grant insert (id, name, role) on employees to hr_onboard;
grant update (euros) on salaries to hr_raise;
grant update (status) on employees to hr_offboard;

-- A salary is changed to what was approved, for whom it was, once; whoever sends the statement.
create function salary_was_approved() returns trigger language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  if session_user <> 'hr_app' then
    perform safeconduct.use_approval('raise-salary', jsonb_build_object('employee', new.employee, 'euros', new.euros));
  end if;
  return null;
end
$$;
create trigger approved after insert or update or delete on salaries for each row execute function salary_was_approved();
alter table salaries enable always trigger approved;

-- The same for ending somebody's employment; nothing that an agent does to somebody who is there is anything else.
create function offboarding_was_approved() returns trigger language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  if session_user <> 'hr_app' then
    perform safeconduct.use_approval(case new.status when 'left' then 'offboard' end, jsonb_build_object('employee', old.id));
  end if;
  return null;
end
$$;
create trigger approved after update or delete on employees for each row execute function offboarding_was_approved();
alter table employees enable always trigger approved;
