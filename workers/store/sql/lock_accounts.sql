-- Locks the rows in the order of their ids, so that two transactions never wait for each other in a ring.
select account_id, standing, held, waits, wake_at, judged_until, sequence, said, dense_since,
       last_effective_at, last_order_id
from accounts where account_id = any($1::text[]) order by account_id for no key update
