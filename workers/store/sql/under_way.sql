-- The transactions that have read the table `deployment`, and with it whether deadlines are held: each keeps its lock on
-- the table until its end, and takes it before the snapshot with which it reads. So one that is not here now, and does
-- not end, reads what was committed by now.
select l.pid, l.virtualtransaction, a.application_name
from pg_locks l join pg_stat_activity a using (pid)
where l.locktype = 'relation' and l.granted and l.relation = 'deployment'::regclass
  and l.database = (select oid from pg_database where datname = current_database())
  and l.pid <> pg_backend_pid() and a.application_name like 'standing %'
