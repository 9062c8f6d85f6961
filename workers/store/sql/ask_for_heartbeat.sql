-- Asks the ingest workers for a heartbeat if a deadline up to $1 is not enforced yet: it waits for the watermark.
select pg_notify('standing_heartbeat', '')
where exists (select from accounts where next_check <= $1 and quarantined is null)
