-- One `standing setup` at a time.
select pg_advisory_xact_lock(hashtext('standing setup'))
