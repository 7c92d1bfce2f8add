-- On whose behalf a lease is made. Who the user is at their provider is kept only while something may stand at the resource.
alter table credentials.leases
  add column user_id text,
  add column application text,
  -- Sessions that this one was handed on through: [{session, agent}], the first that was opened first.
  add column chain jsonb not null default '[]',
  -- {iss, sub, claims}, and the purpose's parameters: what the resource's own rules rely on.
  add column person jsonb,
  add column parameters jsonb not null default '{}';
