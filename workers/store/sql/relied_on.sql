-- The name of the database, and the server settings that the engine requires and a session cannot set.
select 'database' as name, current_database() as setting
union all
select name, setting from pg_settings
where name in ('server_version_num', 'server_encoding', 'fsync', 'transaction_timeout')
