-- People who delegated, what sessions stand for whom and through whom, and who may ask in their name.

create table sessions.users (
  -- What entries, tokens and policies call them.
  id text primary key,
  -- Name of the provider that they last signed in at.
  provider text not null,
  -- Known by issuer and subject, nothing else (OpenID Connect Core §2).
  iss text not null,
  sub text not null,
  first_seen_at timestamptz not null default now(),
  last_seen_at timestamptz not null default now(),
  unique (iss, sub)
);
grant select, insert on sessions.users to {{server}};
grant update (provider, last_seen_at) on sessions.users to {{server}};

create table sessions.providers (
  name text primary key,
  definition jsonb not null
);
create table sessions.applications (
  name text primary key,
  definition jsonb not null
);
grant select, insert, update, delete on sessions.providers, sessions.applications to {{server}};

-- Those that are there stand for nobody but their agent.
alter table sessions.sessions
  add column application text,
  -- How it was delegated: by which consent, or by which token of the provider.
  add column delegation jsonb,
  -- Session at the provider (sid), which its back-channel logout may name.
  add column provider_session text,
  -- The session that handed a part of its mandate on.
  add column parent text references sessions.sessions (id),
  -- Of the user, by which everything of theirs is found.
  add column user_id text generated always as ("user" ->> 'id') stored,
  drop constraint sessions_end_reason_check,
  add constraint sessions_end_reason_check check (
    end_reason in ('ended', 'lapsed', 'expired', 'suspended', 'withdrawn', 'logged-out', 'parent-ended')
  );
create index sessions_by_parent on sessions.sessions (parent) where parent is not null;
create index sessions_by_user on sessions.sessions (user_id, opened_at desc) where user_id is not null;
