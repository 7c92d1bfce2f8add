-- Operators who sign in at an identity provider. Such an operator has no roles of its own: each sign-in has those that its claims
-- were worth, and they end with it. A server of the release before reads such an operator as one without any right.
alter table agents.operators add column user_id text;
alter table agents.operators drop constraint operators_roles_check;
alter table agents.operators add constraint operators_roles_check
  check (roles <@ array['admin', 'operator', 'auditor', 'approver'] and (roles = '{}') = (user_id is not null));
create index operators_by_user on agents.operators (user_id) where user_id is not null;

create table agents.operator_sign_ins (
  instance text primary key references agents.instances,
  provider text not null,
  issuer text not null,
  -- What the provider calls the session there; by it the provider says that the session is over.
  provider_session text,
  -- What the roles came from: the claim, and those of its values that the configuration knew.
  claim text not null,
  "values" text[] not null,
  roles text[] not null check (roles <@ array['admin', 'operator', 'auditor', 'approver'] and roles <> '{}'),
  signed_in_at timestamptz not null,
  until timestamptz not null check (until <= signed_in_at + interval '8 hours')
);
create index on agents.operator_sign_ins (until);

-- Later configurations may leave a sign-in fewer roles; nothing else of it ever changes.
grant select, insert, delete on agents.operator_sign_ins to {{server}};
grant update (roles) on agents.operator_sign_ins to {{server}};
