-- The database user, and whether it has a worker's rights.
select current_user, has_table_privilege('decision_log', 'insert')
