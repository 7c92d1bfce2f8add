-- How often people took more time to decide (WCAG 2.2, 2.2.1).
alter table approvals.requests add column extensions smallint not null default 0 check (extensions >= 0);
grant update (extensions) on approvals.requests to {{server}};
