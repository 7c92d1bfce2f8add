-- The shop's database, as its owner made it before there was a bot. Nothing here knows Safeconduct; what is added for it
-- stands in rules.sql.
create table customers (
  id int primary key,
  name text not null,
  email text not null unique
);

create table orders (
  id int primary key,
  customer int not null references customers,
  item text not null,
  euros numeric(8, 2) not null,
  delivery_note text not null default ''
);

create table parcels (
  id text primary key,
  order_id int not null references orders,
  carrier text not null,
  whereabouts text not null
);

-- Who changed which order, one line for each change, where no bot reads.
create schema history;
create table history.order_edits (
  id int generated always as identity primary key,
  order_id int not null references orders,
  before text not null,
  after text not null,
  -- Who signed in, where the web site made the change for somebody.
  person text,
  by jsonb not null default '{}'
);

insert into customers values
  (1001, 'Alice', 'alice@shop.example'),
  (1002, 'Bob', 'bob@shop.example');
insert into orders (id, customer, item, euros, delivery_note) values
  (7001, 1001, 'Kettle', 39.00, 'Ring twice'),
  (7002, 1002, 'Accordion', 890.00, 'Leave it with Mrs Zimmermann'),
  (7003, 1001, 'Hammock', 64.50, ''),
  (7004, 1002, 'Telescope', 310.00, 'After six');
insert into parcels values
  ('PA-1', 7001, 'Snail Express', 'on the van, arriving before noon'),
  ('PB-2', 7002, 'Snail Express', 'at the depot in Lyon'),
  ('PA-3', 7003, 'Pigeon Post', 'handed to the carrier');

-- The account of the shop's web site, which serves every customer and says for whom it works in shop.person.
create role shop_web login;
grant select on customers, orders, parcels to shop_web;
grant update (delivery_note) on orders to shop_web;

create function note_edit() returns trigger language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  insert into history.order_edits (order_id, before, after, person) values (new.id, old.delivery_note, new.delivery_note,
    -- Anybody may set it; it counts where the web site did.
    case when session_user = 'shop_web' then current_setting('shop.person', true) end);
  return null;
end
$$;
revoke execute on function note_edit() from public;
create trigger note_edit after update on orders for each row execute function note_edit();
alter table orders enable always trigger note_edit;

create role shop_owner nologin;
alter table customers owner to shop_owner;
alter table orders owner to shop_owner;
alter table parcels owner to shop_owner;
alter schema history owner to shop_owner;
alter table history.order_edits owner to shop_owner;
alter function note_edit() owner to shop_owner;
