-- Where a user comes back to with a code of the agent's. None of those that are there has one.
alter table agents.agents add column redirect_uris text[] not null default '{}';
