-- What the shop adds for agents, after `safeconduct credentials postgres prepare shop` made the group roles and the schema
-- safeconduct. Its functions say whose a lease is: they go by the account that logged in, which no setting changes.
alter table customers enable row level security;
alter table orders enable row level security;
alter table parcels enable row level security;

create policy web_site on customers to shop_web using (true);
create policy web_site on orders to shop_web using (true) with check (true);
create policy web_site on parcels to shop_web using (true);

-- shop_read: everything of the customer's own.
create policy own on customers for select to shop_read
  using (id::text = (select safeconduct.claim('customer')));
create policy own on orders for select to shop_read
  using (customer::text = (select safeconduct.claim('customer')));

-- shop_write: the note of the one order that the session is about, if it is the customer's own.
create policy this_one on orders for select to shop_write
  using (customer::text = (select safeconduct.claim('customer')) and id::text = (select safeconduct.parameter('order')));
create policy this_note on orders for update to shop_write
  using (customer::text = (select safeconduct.claim('customer')) and id::text = (select safeconduct.parameter('order')));
grant update (delivery_note) on orders to shop_write;

-- shop_track: where the parcel of that one order is.
create policy this_one_too on orders for select to shop_track
  using (customer::text = (select safeconduct.claim('customer')) and id::text = (select safeconduct.parameter('order')));

-- A parcel is whoever's its order is: the subquery sees the orders that its reader may see.
create policy of_order on parcels for select to shop_read, shop_track
  using (exists (select from orders where orders.id = parcels.order_id));

-- Each edit says which lease made it: user, agent, purpose, session, application. Of the web site it says the account.
create trigger by_whom before insert on history.order_edits for each row execute function safeconduct.stamp('by');
alter table history.order_edits enable always trigger by_whom;
