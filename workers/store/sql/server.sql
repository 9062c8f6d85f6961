-- The server and the database that a connection reached, and when the server started.
select system_identifier::text, (select timeline_id from pg_control_checkpoint()),
       (select oid::bigint from pg_database where datname = current_database()), pg_postmaster_start_time()::text
from pg_control_system()
