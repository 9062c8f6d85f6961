-- What the engine relies on and a session cannot set: the name of the database, and settings of its server.
select 'database' as name, current_database() as setting
union all
select name, setting from pg_settings
where name in ('server_version_num', 'server_encoding', 'fsync', 'transaction_timeout')
