-- The statement that detaches a part of the log; its name cannot be a parameter.
select format('alter table decision_log detach partition %I', $1::text)
