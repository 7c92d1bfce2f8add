-- What a human agreed to, where a lease is made for that alone: {id, digest, arguments}. The arguments are kept only while
-- something may stand at the resource.
alter table credentials.leases add column approval jsonb;
