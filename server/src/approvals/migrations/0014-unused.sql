-- Approvals that wait to be used: whatever ends a session looks for them.
create index requests_unused on approvals.requests (use_before) where state = 'approved' and used_at is null;
