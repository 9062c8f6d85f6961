-- The transactions that may have read the deadline hold. Each keeps its lock on the table `deployment` until it
-- ends, and takes it before its snapshot. A transaction that is not listed now reads the hold as it is committed
-- now.
select l.pid, l.virtualtransaction, a.application_name
from pg_locks l join pg_stat_activity a using (pid)
where l.locktype = 'relation' and l.granted and l.relation = 'deployment'::regclass
  and l.database = (select oid from pg_database where datname = current_database())
  and l.pid <> pg_backend_pid() and a.application_name like 'standing %'
