-- Moves rows of the detached default part into the parts that were created for them.
with moved as (delete from decision_log_default where seq >= $1 returning *)
insert into decision_log select * from moved
