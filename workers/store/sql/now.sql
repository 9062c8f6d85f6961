-- When this transaction began.
select now()
