-- The bot's knowledge base, as its owner makes it. Nothing here knows Safeconduct; `safeconduct credentials postgres
-- prepare` adds the group role kb_read, which may read the schema public and nothing else.
create table articles (
  id int generated always as identity primary key,
  question text not null unique,
  answer text not null
);

insert into articles (question, answer) values
  ('What are your business hours?', 'We are open Monday to Friday, 9:00 to 17:00.'),
  ('Where are you located?', 'Our office is at 12 Example Street, third floor.'),
  ('How do I reset my password?', 'Open the login page and follow "Forgot password"; the link is valid for one hour.'),
  ('Do you ship abroad?', 'Yes, to every country of the European Union, within five working days.'),
  ('How can I return an order?', 'Send it back within 30 days; the label is in the parcel.');

-- What no visitor, and so no bot that answers visitors, has any business with.
create schema staff;
create table staff.salaries (name text primary key, euros_a_year int not null);
insert into staff.salaries values ('Ada', 98000), ('Grace', 104000);
