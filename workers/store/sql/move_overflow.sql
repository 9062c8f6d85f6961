-- Rows that found no part, into those that were made for them; the default part is none of the log meanwhile.
with moved as (delete from decision_log_default where seq >= $1 returning *)
insert into decision_log select * from moved
