-- What agents may ask of people by OpenID CIBA, and the keys that they sign such requests with.

-- How an agent is told of what became of its requests; null for one that may ask for none. None of those that are there may.
alter table agents.agents add column backchannel jsonb;

-- SubjectPublicKeyInfo of the enrolled key, DER; null until the next renewal of those that were enrolled before. It can be no other
-- key than the one that was enrolled.
alter table agents.instances add column spki bytea
  check (rtrim(translate(encode(sha256(spki), 'base64'), '+/', '-_'), '=') = key_thumbprint);
grant update (spki) on agents.instances to {{server}};
