-- Applying the document that a digest names puts it back, should the one that is stored under it have been altered.
grant update (document) on policy.versions to {{server}};
