-- An instance stays, so that its key never stands for another one; revoked, it stands for nobody.
alter table agents.instances add column revoked_at timestamptz;
create index instances_revoked on agents.instances (revoked_at) where revoked_at is not null;
grant update (revoked_at) on agents.instances to {{server}};
