-- Lets one `standing setup` run at a time.
select pg_advisory_xact_lock(hashtext('standing setup'))
