-- An outcome that was called missing may still come: its intent stays for a day, marked, and takes one outcome.
alter table audit.intents add column missed_at timestamptz;
drop index audit.intents_by_deadline;
create index intents_open on audit.intents (deadline) where missed_at is null;
create index intents_missed on audit.intents (missed_at) where missed_at is not null;
