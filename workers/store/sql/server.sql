-- Which database of which server, started when, a connection reached.
select system_identifier::text, (select timeline_id from pg_control_checkpoint()),
       (select oid::bigint from pg_database where datname = current_database()), pg_postmaster_start_time()::text
from pg_control_system()
