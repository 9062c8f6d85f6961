-- The ingest workers that are connected to this database.
select distinct application_name from pg_stat_activity
where datname = current_database() and application_name like 'standing ingest %' order by 1
