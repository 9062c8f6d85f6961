-- When this transaction started.
select now()
