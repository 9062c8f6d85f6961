-- The processes of a deployment that are connected to its database.
select distinct application_name from pg_stat_activity
where datname = current_database() and application_name like 'standing %' order by 1
