-- How many of these roles the server has.
select count(*) from pg_roles where rolname = any($1)
