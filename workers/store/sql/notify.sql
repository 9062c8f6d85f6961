-- Wakes whoever listens on a channel, once the transaction is committed.
select pg_notify($1, '')
