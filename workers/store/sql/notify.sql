-- Notifies the listeners of a channel when the transaction commits.
select pg_notify($1, '')
