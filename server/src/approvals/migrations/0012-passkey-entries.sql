-- Where the log tells of a passkey, so that what it signed can be proven without a search.

alter table approvals.passkeys
  add column enrolled_entry text not null,
  add column confirmed_entry text,
  add column revoked_entry text;
grant update (confirmed_entry, revoked_entry) on approvals.passkeys to {{server}};
