-- Notifies the listeners of a channel if a deadline up to $2 is not enforced yet: it waits for the watermark.
select pg_notify($1, '') where exists (select from accounts where next_check <= $2 and quarantined is null)
