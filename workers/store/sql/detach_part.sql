-- The statement that takes a part out of the log; a name cannot be a parameter of it.
select format('alter table decision_log detach partition %I', $1::text)
