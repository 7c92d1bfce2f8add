-- The HR department's database, as its owner made it before there was an agent. Nothing here knows Safeconduct; what is added
-- for it stands in rules.sql.
create table employees (
  id text primary key,
  name text not null,
  role text not null,
  status text not null default 'employed' check (status in ('employed', 'left'))
);

create table salaries (
  employee text primary key references employees,
  euros numeric(10, 2) not null check (euros > 0)
);

insert into employees (id, name, role)
  select 'E-' || 1000 + n,
         (array['Ada', 'Ben', 'Chloé', 'Dmitri', 'Esra', 'Femi', 'Greta', 'Hiro'])[1 + n % 8] || ' '
           || (array['Adeyemi', 'Brandt', 'Castro', 'Dubois', 'Eriksen', 'Fontana', 'Grey'])[1 + n % 7],
         (array['Carpenter', 'Electrician', 'Planner', 'Driver'])[1 + n % 4]
    from generate_series(1, 412) n;
insert into salaries select id, 38000 + 100 * (substr(id, 3)::int % 120) from employees;

-- The account of the HR department's own application.
create role hr_app login;
grant select, insert, update, delete on employees, salaries to hr_app;

create role hr_owner nologin;
alter table employees owner to hr_owner;
alter table salaries owner to hr_owner;
