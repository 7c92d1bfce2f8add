-- When news last made a sound: it keeps nothing waiting that asks.
alter table approvals.people add column told_at timestamptz;
grant update (told_at) on approvals.people to {{server}};
