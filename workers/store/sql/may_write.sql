-- Who this user of the database is, and whether it may do what a worker does.
select current_user, has_table_privilege('decision_log', 'insert')
