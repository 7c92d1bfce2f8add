-- Name of the purpose's look-up that the account was made for: we ask one question with it, and nobody is handed it.
alter table credentials.leases add column lookup text;
