-- The roles of a deployment. A user who can create roles runs this once on each PostgreSQL server:
--
--     psql -d postgres -f schemas/postgres/roles.sql
--
-- The roles can log in and have no password yet: give each one (\password standing_worker), or use certificates or
-- your directory. `standing setup`, run as standing_owner, gives the other three their rights (grants.sql). Safe to
-- repeat; it does not change passwords.

do $$
declare
    missing text;
begin
    for missing in
        select name from unnest(array['standing_owner', 'standing_worker', 'standing_relay', 'standing_reader']) as name
        where not exists (select from pg_roles where rolname = name)
    loop
        execute format('create role %I login', missing);
    end loop;
end
$$;

-- Every wait has a limit, whatever a client requests. The settings of a role apply to logins as the role itself, not to
-- its members: repeat them for a login of your own.
alter role standing_owner set statement_timeout = '15min';
alter role standing_owner set lock_timeout = '20s';
alter role standing_owner set idle_in_transaction_session_timeout = '60s';

alter role standing_worker set statement_timeout = '30s';
alter role standing_worker set lock_timeout = '20s';
alter role standing_worker set idle_in_transaction_session_timeout = '30s';

alter role standing_relay set statement_timeout = '30s';
alter role standing_relay set lock_timeout = '20s';
alter role standing_relay set idle_in_transaction_session_timeout = '30s';

alter role standing_reader set statement_timeout = '30s';
alter role standing_reader set lock_timeout = '5s';
alter role standing_reader set idle_in_transaction_session_timeout = '30s';
