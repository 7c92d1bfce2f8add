-- What is taken away from a session, an agent or an instance is taken away from all that hangs on it.
create index leases_beneath on credentials.leases using gin (chain jsonb_path_ops)
  where state in ('intended', 'live', 'revoking', 'stuck') and chain <> '[]';
